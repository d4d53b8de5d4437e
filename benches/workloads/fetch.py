"""HTTP clients: a GET of 1 KiB of the bare server, as often as they can, by so many at once."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable

from harness.native import EXTENSIONS, build_extension
from harness.workload import Stopwatch, asking

CONNECTIONS = (20,)

build = functools.partial(build_extension, "examples/fetch", "fetch._fetch")


async def ask(get: Callable[[], Awaitable[bytes]], count: int, connections: int, watch: Stopwatch) -> None:
    unasked = iter(range(count))

    async def some() -> None:
        for _ in unasked:
            await get()

    assert {len(body) for body in await asyncio.gather(*(get() for _ in range(connections)))} == {1024}
    with watch:
        await asyncio.gather(*(some() for _ in range(connections)))


@asking("door/fetch", CONNECTIONS, count=20_000, alone=5_000, answer="http-1k", prepare=build)
async def fetch(count: int, watch: Stopwatch, connections: int, port: int) -> None:
    sys.path.insert(0, str(EXTENSIONS))
    import fetch

    url = f"http://127.0.0.1:{port}/"
    async with fetch.Client(connections_per_host=connections) as client:

        async def get() -> bytes:
            return await (await client.get(url)).read()

        await ask(get, count, connections, watch)


@asking("door/aiohttp", CONNECTIONS, count=5_000, alone=2_000, answer="http-1k")
async def aiohttp(count: int, watch: Stopwatch, connections: int, port: int) -> None:
    import aiohttp

    url = f"http://127.0.0.1:{port}/"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def get() -> bytes:
            async with session.get(url) as reply:
                return await reply.read()

        await ask(get, count, connections, watch)
