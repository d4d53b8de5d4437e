"""The servers that the guide's programs talk to: HTTP and HTTPS, on a thread with a stock loop of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

DATA_DELAY = 2.0  # the guide: "Blocks for 2 seconds"


async def data(request: web.Request) -> web.Response:
    await asyncio.sleep(DATA_DELAY)
    return web.json_response({"path": request.path})


async def delay(request: web.Request) -> web.Response:
    seconds = float(request.match_info["seconds"])
    await asyncio.sleep(seconds)
    return web.json_response({"delay": seconds})


async def anything(request: web.Request) -> web.Response:
    return web.json_response([{"path": request.path}])


def application() -> web.Application:
    app = web.Application()
    app.router.add_get("/data{number:[12]}", data)
    app.router.add_get("/delay/{seconds}", delay)
    app.router.add_get("/{path:.*}", anything)
    return app


@contextmanager
def http_servers(tls: ssl.SSLContext) -> Iterator[tuple[int, int]]:
    """The ports of the plain and of the TLS server."""
    loop = asyncio.SelectorEventLoop()
    runner = web.AppRunner(application(), shutdown_timeout=1)

    async def start() -> tuple[int, int]:
        await runner.setup()
        for context in (None, tls):
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        plain, encrypted = (address[1] for address in runner.addresses)
        return plain, encrypted

    ports = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield ports
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
