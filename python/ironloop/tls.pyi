import asyncio
import ssl
from asyncio import sslproto
from typing import Any

ANSWER_TIMEOUT: float

def is_native(loop: asyncio.AbstractEventLoop) -> bool: ...
def checked(
    sslcontext: ssl.SSLContext | None,
    server_side: bool,
    server_hostname: str | None,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
) -> tuple[Any, ...]: ...

class TlsUpgrade:
    async def start_tls(
        self,
        transport: asyncio.BaseTransport,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport | None: ...

class TlsProtocol(sslproto.SSLProtocol):
    def take_over(self, transport: asyncio.BaseTransport) -> None: ...
    def resume_writing(self) -> None: ...
