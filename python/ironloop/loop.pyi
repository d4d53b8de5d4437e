import asyncio
import socket
import ssl
from collections.abc import Callable
from contextvars import Context
from typing import Any

from _typeshed import ReadableBuffer, WriteableBuffer

from ironloop._ironloop import LoopCore, VirtualClock
from ironloop.internals import Internals
from ironloop.metrics import Metrics
from ironloop.signals import SignalWakeup

class Loop(
    LoopCore,
    SignalWakeup,
    Internals,
    asyncio.SelectorEventLoop,
):
    def __init__(self, *, native: bool | None = None, clock: VirtualClock | None = None) -> None: ...
    def _record(self) -> str: ...
    def _recording(self) -> str | None: ...
    def _rust_futures(self) -> list[tuple[str, str, int, str]]: ...
    def _numbers(self) -> Any: ...
    def _hear(self, hearer: Callable[[Any], object] | None) -> None: ...
    def run_forever(self) -> None: ...
    def close(self) -> None: ...
    async def sock_connect(self, sock: socket.socket, address: Any) -> None: ...
    async def sock_recv(self, sock: socket.socket, n: int) -> bytes: ...
    async def sock_recv_into(self, sock: socket.socket, buf: WriteableBuffer) -> int: ...
    async def sock_sendall(self, sock: socket.socket, data: ReadableBuffer) -> None: ...
    # In modules that are imported once they are asked for.
    def metrics(self) -> Metrics: ...
    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]: ...
    async def getnameinfo(
        self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int = 0
    ) -> tuple[str, str]: ...
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

makers: list[Callable[[], Loop | None]]

def if_known(context: Context | None) -> dict[str, Any]: ...
def make_loop(native: bool | None = None) -> Loop: ...
