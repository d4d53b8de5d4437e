"""What the tests share: protocols that note what happens to them, sockets, and waiting for a condition."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import select
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

HOST = "127.0.0.1"

# Seconds for what takes milliseconds: a machine may be slow, and stand still at any moment.
PATIENCE = 40.0


async def until(condition: Callable[[], Any], timeout: float = PATIENCE) -> None:
    """Wait for ``condition()``; for what gives no event to await. TimeoutError after ``timeout`` seconds."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.001)


def run_until(loop: asyncio.AbstractEventLoop, condition: Callable[[], Any]) -> None:
    """Run a loop until ``condition()``: a time that would be enough everywhere is not known."""
    loop.run_until_complete(until(condition))


async def turns(count: int = 3) -> None:
    """Let the others run, so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def others_end(before: set[asyncio.Task[Any]] | None = None) -> None:
    """Wait for every other task to end, apart from those of ``before``.

    A stream server's handlers end with their connections, but up to Python 3.11 nothing waits for them.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()} - (before or set())
    if others:
        _, pending = await asyncio.wait(others, timeout=PATIENCE)
        assert not pending


class NotingTransport(asyncio.Transport):
    """Notes what a reader or a writer asks of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def close(self) -> None:
        self.calls.append("close")

    def is_closing(self) -> bool:
        return "close" in self.calls


class Recorder(asyncio.Protocol):
    """Notes each call in ``calls``, gathers ``data``; ``made`` and ``lost`` are futures."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.calls: list[str] = []
        self.data = bytearray()
        self.transport: Any = None
        self.made: asyncio.Future[Any] = loop.create_future()
        self.lost: asyncio.Future[BaseException | None] = loop.create_future()
        self.eof: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")
        self.transport = transport
        self.made.set_result(transport)

    def data_received(self, data: bytes) -> None:
        self.calls.append("data")
        self.data += data

    def eof_received(self) -> bool | None:
        self.calls.append("eof")
        self.eof.set_result(None)
        return None

    def connection_lost(self, error: BaseException | None) -> None:
        self.calls.append("lost")
        self.lost.set_result(error)

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    async def received(self, size: int) -> bytes:
        await until(lambda: len(self.data) >= size)
        return bytes(self.data)


class Echo(Recorder):
    """Sends back what it gets."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(data)


async def abort(end: Recorder) -> None:
    """End the connection of a protocol, if it has not ended, and wait until the protocol knows."""
    if not end.lost.done():
        end.transport.abort()
        await asyncio.wait([end.lost], timeout=PATIENCE)


@contextlib.asynccontextmanager
async def serving(
    factory: Callable[[], asyncio.BaseProtocol], **options: Any
) -> AsyncIterator[tuple[str, int]]:
    """A server on a free loopback port; yields its address."""
    accepted: list[asyncio.BaseProtocol] = []

    def accept() -> asyncio.BaseProtocol:
        accepted.append(factory())
        return accepted[-1]

    server = await asyncio.get_running_loop().create_server(accept, HOST, 0, **options)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        await asyncio.wait_for(server.wait_closed(), PATIENCE)
        # It waits for the connections too, but only from Python 3.12.1 on. Tests close their own.
        recorders = [protocol for protocol in accepted if isinstance(protocol, Recorder)]
        await until(lambda: all(end.lost.done() for end in recorders if end.made.done()))


@contextlib.asynccontextmanager
async def connected(
    server: Callable[[], Recorder] = Recorder, client: Callable[[], Recorder] = Recorder
) -> AsyncIterator[tuple[Any, Any]]:
    """Two protocols at the ends of one connection: (client, server). Both are closed at the end."""
    accepted: asyncio.Future[Recorder] = asyncio.get_running_loop().create_future()

    def accept() -> Recorder:
        protocol = server()
        accepted.set_result(protocol)
        return protocol

    async with serving(accept) as address:
        _, near = await asyncio.get_running_loop().create_connection(client, *address)
        far = await accepted
        await far.made
        try:
            yield near, far
        finally:
            for end in (near, far):
                await abort(end)


@contextlib.asynccontextmanager
async def connected_to_socket(
    client: Callable[[], Recorder] = Recorder,
) -> AsyncIterator[tuple[Any, socket.socket]]:
    """A protocol, and a plain blocking socket that does only what the test tells it: (client, peer)."""
    with socket.create_server((HOST, 0)) as listener:
        _, near = await asyncio.get_running_loop().create_connection(client, *listener.getsockname())
        peer, _ = listener.accept()
    with peer:
        peer.settimeout(PATIENCE)
        try:
            yield near, peer
        finally:
            await abort(near)


@contextlib.contextmanager
def socket_pair(blocking: bool = False) -> Any:
    """Two connected TCP sockets, non-blocking unless asked otherwise."""
    with socket.create_server((HOST, 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    for end in (near, far):
        end.setblocking(blocking)
    with near, far:
        yield near, far


def reset_on_close(sock: Any) -> None:
    """Let the close be a TCP reset, whatever has been read: for a socket, or what a transport has for one."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset(peer: socket.socket) -> None:
    """Close so that the other side gets a TCP reset."""
    reset_on_close(peer)
    peer.close()


def open_descriptors() -> set[str]:
    """This process's descriptors, each with what it points at; garbage is collected first."""
    gc.collect()
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
    return {entry for entry in found if not entry.endswith(f"/proc/{os.getpid()}/fd")}


def await_readable(sock: socket.socket) -> None:
    """Block until there is something to read, or to accept: what was sent may still be on its way."""
    assert select.select([sock], [], [], PATIENCE)[0]


@contextlib.contextmanager
def refusing_address() -> Iterator[tuple[str, int]]:
    """An address that refuses connections: bound, so that nobody else takes it, and not listening."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        yield taken.getsockname()
