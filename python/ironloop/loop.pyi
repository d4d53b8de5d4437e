import asyncio
import socket
from typing import Any

from _typeshed import ReadableBuffer, WriteableBuffer

from ironloop._ironloop import LoopCore
from ironloop.internals import Internals
from ironloop.pipes import Pipes
from ironloop.processes import ChildWatching
from ironloop.resolver import Resolver
from ironloop.signals import SignalWakeup
from ironloop.tls import TlsUpgrade

class Loop(
    LoopCore,
    Resolver,
    TlsUpgrade,
    Pipes,
    ChildWatching,
    SignalWakeup,
    Internals,
    asyncio.SelectorEventLoop,
):
    def __init__(self, *, native: bool | None = None) -> None: ...
    def run_forever(self) -> None: ...
    def close(self) -> None: ...
    async def sock_connect(self, sock: socket.socket, address: Any) -> None: ...
    async def sock_recv(self, sock: socket.socket, n: int) -> bytes: ...
    async def sock_recv_into(self, sock: socket.socket, buf: WriteableBuffer) -> int: ...
    async def sock_sendall(self, sock: socket.socket, data: ReadableBuffer) -> None: ...
