"""Files: on ironloop its own, on the other loops the library that the row is called by, or none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.workload import Figure, Stopwatch, measured, timed

# Beside the code: a folder for temporary files may be in memory, which has no page cache.
PLACE = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=PLACE, prefix=".files-") as name:
        yield Path(name)


def opener(library: str) -> Callable[..., Any]:
    """What opens a file on the loop that runs."""
    if type(asyncio.get_running_loop()).__module__.startswith("ironloop"):
        import ironloop

        return ironloop.open
    if library == "anyio":
        import anyio

        # `open_file` is a coroutine function, and its files are closed by `async with` as well.
        return anyio.open_file
    import aiofiles

    return aiofiles.open


async def cached(library: str, count: int, watch: Stopwatch) -> None:
    with folder() as place:
        path = place / "file"
        path.write_bytes(bytes(4096 * 256))
        file = await opener(library)(str(path), "rb")
        with watch:
            for n in range(count):
                if n % 256 == 0:
                    await file.seek(0)
                await file.read(4096)
        # anyio's `close` is the blocking file's own.
        await (file.aclose() if hasattr(file, "aclose") else file.close())


@timed("files/cached-4KiB/aiofiles", Figure.RATE, count=20_000)
async def cached_aiofiles(count: int, watch: Stopwatch) -> None:
    await cached("aiofiles", count, watch)


@timed("files/cached-4KiB/anyio", Figure.RATE, count=20_000)
async def cached_anyio(count: int, watch: Stopwatch) -> None:
    await cached("anyio", count, watch)


@timed("files/sequential-1MiB/blocking", Figure.RATE, count=2_000)
async def sequential(count: int, watch: Stopwatch) -> None:
    ours = type(asyncio.get_running_loop()).__module__.startswith("ironloop")
    with folder() as place:
        path = place / "file"
        path.write_bytes(bytes(64 << 20))
        if ours:
            file = await opener("")(str(path), "rb")
            with watch:
                for n in range(count):
                    if n % 64 == 0:
                        await file.seek(0)
                    await file.read(1 << 20)
            await file.close()
            return
        with open(path, "rb") as plain, watch:  # noqa: ASYNC230  (that is what it measures)
            for n in range(count):
                if n % 64 == 0:
                    plain.seek(0)
                plain.read(1 << 20)


def small(place: Path, n: int) -> str:
    path = place / str(n)
    path.write_bytes(bytes(4096))
    return str(path)


async def many(library: str, count: int, watch: Stopwatch) -> None:
    async def one(path: str) -> None:
        opening = opening_of(path, "rb")
        if hasattr(opening, "__aenter__"):
            async with opening as file:
                await file.read()
        else:
            async with await opening as file:
                await file.read()

    opening_of = opener(library)
    with folder() as place:
        paths = [small(place, n) for n in range(1_000)]
        with watch:
            for _ in range(max(1, count // 1_000)):
                await asyncio.gather(*map(one, paths))


@timed("files/1000-small/aiofiles", Figure.RATE, count=10_000)
async def many_aiofiles(count: int, watch: Stopwatch) -> None:
    await many("aiofiles", count, watch)


@timed("files/1000-small/anyio", Figure.RATE, count=10_000)
async def many_anyio(count: int, watch: Stopwatch) -> None:
    await many("anyio", count, watch)


@measured("files/lag", {"time": Figure.TIME}, count=300)
async def lag(count: int) -> dict[str, float]:
    """The worst of so many waits of a millisecond, beyond the millisecond."""
    opening, pipes = opener("aiofiles"), [os.pipe() for _ in range(64)]
    readers = [asyncio.ensure_future(read(opening, reading)) for reading, _ in pipes]
    await asyncio.sleep(0.1)
    worst = 0.0
    for _ in range(count):
        started = time.perf_counter()
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - started - 0.001)
    for _, writing in pipes:
        os.close(writing)
    await asyncio.gather(*readers)
    return {"time": worst}


async def read(opening: Callable[..., Any], descriptor: int) -> None:
    async with opening(descriptor, "rb") as file:
        await file.read()
