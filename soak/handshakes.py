"""Failing TLS handshakes by the thousand."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from kinds.support import HOST, End
from kinds.tls import NAME, contexts

AT_ONCE = 10


async def fail(count: int, progress: Callable[[int], Awaitable[None]]) -> None:
    """`count` clients that do not trust the server's certificate; `progress` hears how many there were."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(End, HOST, 0, ssl=contexts().server)
    address: Any = server.sockets[0].getsockname()

    async def client() -> None:
        with contextlib.suppress(ssl.SSLCertVerificationError):
            await loop.create_connection(End, *address, ssl=contexts().stranger, server_hostname=NAME)
            raise AssertionError("the handshake should have failed")

    for done in range(0, count, AT_ONCE):
        await asyncio.gather(*(client() for _ in range(AT_ONCE)))
        await progress(done + AT_ONCE)
    server.close()
    await server.wait_closed()
