"""What the datagram tests share: a protocol that notes what happens, endpoints that are closed at the end."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import pathlib
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from support import HOST, until

# Since Python 3.13, at least, empty datagrams are sent, and a datagram's header counts for flow control.
_STOCK = inspect.getsource(asyncio.selector_events._SelectorDatagramTransport.sendto)
SENDS_EMPTY = "if not data" not in _STOCK
HEADER = 8 if "header" in _STOCK else 0


class Recorder(asyncio.DatagramProtocol):
    """Notes each call in ``calls``, each datagram in ``received``, with its address; ``lost`` is a future."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.received: list[tuple[bytes, Any]] = []
        self.errors: list[Exception] = []
        self.transport: Any = None
        self.lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.calls.append("datagram")
        self.received.append((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.calls.append("error")
        self.errors.append(exc)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.calls.append("lost")
        self.lost.set_result(exc)

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    async def datagrams(self, count: int) -> list[bytes]:
        """The data of what was received, once there are ``count``."""
        await until(lambda: len(self.received) >= count)
        return [data for data, _ in self.received]

    async def error(self) -> Exception:
        await until(lambda: self.errors)
        return self.errors[-1]


class Echo(Recorder):
    """Sends back what it gets."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        self.transport.sendto(data, addr)


@contextlib.asynccontextmanager
async def endpoint(factory: Callable[[], Any] = Recorder, **options: Any) -> AsyncIterator[Any]:
    """A protocol at an endpoint, on a free loopback port unless told otherwise; closed at the end."""
    if not {"sock", "local_addr", "remote_addr", "family"} & set(options):
        options["local_addr"] = (HOST, 0)
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(factory, **options)
    try:
        yield protocol
    finally:
        if not protocol.lost.done():
            transport.abort()
            await asyncio.wait([protocol.lost], timeout=20)


def name_of(protocol: Any) -> Any:
    """The address that a protocol's endpoint is bound to."""
    return protocol.transport.get_extra_info("sockname")


@contextlib.contextmanager
def plain_socket(family: int = socket.AF_INET, address: Any = (HOST, 0)) -> Iterator[socket.socket]:
    """A bound blocking datagram socket that does only what the test tells it."""
    with socket.socket(family, socket.SOCK_DGRAM) as plain:
        plain.settimeout(20)
        plain.bind(address)
        yield plain


@contextlib.contextmanager
def socket_directory() -> Iterator[pathlib.Path]:
    """A directory whose paths are short enough for UNIX sockets."""
    with tempfile.TemporaryDirectory(prefix="udp") as name:
        yield pathlib.Path(name)


@contextlib.asynccontextmanager
async def reluctant(factory: Callable[[], Any] = Recorder) -> AsyncIterator[tuple[Any, socket.socket]]:
    """A protocol connected to a UNIX socket that nobody reads: its kernel soon refuses, and loses nothing."""
    with socket_directory() as directory:
        path = str(directory / "peer")
        with plain_socket(socket.AF_UNIX, path) as peer:
            async with endpoint(factory, family=socket.AF_UNIX, remote_addr=path) as near:
                yield near, peer


def fill(transport: Any, size: int = 100) -> list[bytes]:
    """Send different datagrams of a size until some are queued; returns them all."""
    sent: list[bytes] = []
    while transport.get_write_buffer_size() == 0:
        sent.append(str(len(sent)).encode().ljust(size, b"."))
        transport.sendto(sent[-1])
    return sent


async def drain(peer: socket.socket, count: int) -> list[bytes]:
    """Receive ``count`` datagrams on a plain socket while the loop goes on."""
    peer.setblocking(False)
    received: list[bytes] = []

    def more() -> bool:
        with contextlib.suppress(BlockingIOError):
            while len(received) < count:
                received.append(peer.recv(100_000))
        return len(received) == count

    await until(more)
    return received
