"""HTTP servers that say hello over kept-alive connections: uvicorn with httptools, and aiohttp."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from harness.workload import Figure, Load, bind, served

BODY = b"Hello, world!"

FIGURES = {"cpu": Figure.TIME, "rate": Figure.RATE}

Announce = Callable[[int], None]


async def hello(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """A minimal ASGI application."""
    assert scope["type"] == "http"
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


@served("http/uvicorn", [Load(10_000, 50, http="/")], FIGURES, bare=False)
async def serve_uvicorn(load: Load, announce: Announce) -> None:
    import uvicorn

    config = uvicorn.Config(
        hello, http="httptools", ws="none", lifespan="off", log_level="warning", access_log=False
    )
    listener, port = bind()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            announce(port)

    await Server(config).serve(sockets=[listener])


@served("http/aiohttp", [Load(5_000, 50, http="/")], FIGURES, bare=False)
async def serve_aiohttp(load: Load, announce: Announce) -> None:
    from aiohttp import web

    async def respond(request: web.Request) -> web.Response:
        return web.Response(body=BODY, content_type="text/plain")

    application = web.Application()
    application.router.add_get("/", respond)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    listener, port = bind()
    await web.SockSite(runner, listener).start()
    announce(port)
    await asyncio.Event().wait()
