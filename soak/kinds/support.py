"""What the kinds share: servers, ends of connections, cancelling in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

HOST = "127.0.0.1"
# What a program has to expect of a network.
FAILURES = (OSError, EOFError, TimeoutError, asyncio.CancelledError)
# More than the buffers of a loopback connection take.
PLENTY = 8 * 1024 * 1024


async def turns(count: int) -> None:
    """Let the loop go round so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def cut_short(work: Coroutine[Any, Any, Any], chance: random.Random, most: int = 12) -> None:
    """Cancel `work` after some turns, in whatever stage it is then, or let a timeout do it."""
    if chance.random() < 0.3:
        with contextlib.suppress(*FAILURES):
            async with asyncio.timeout(chance.choice([-1, 0, 0.0005, 0.003])):
                await work
        return
    task = asyncio.ensure_future(work)
    try:
        await turns(chance.randrange(most))
    finally:
        # This may be cut short itself.
        task.cancel()
        with contextlib.suppress(*FAILURES):
            await task


@contextlib.asynccontextmanager
async def closing(server: asyncio.Server) -> AsyncIterator[Any]:
    """The server's address; at the end all its connections must have ended."""
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        await server.wait_closed()


class End(asyncio.Protocol):
    """One end of a connection.

    `some` is set by the first data or the end of it all, `paused` when the peer does not take what is
    written, `lost` when the connection is over.
    """

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = 0
        self.some, self.paused, self.lost = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.note(len(data))

    def note(self, count: int) -> None:
        self.received += count
        self.some.set()

    def pause_writing(self) -> None:
        self.paused.set()

    def connection_lost(self, error: BaseException | None) -> None:
        self.some.set()
        self.lost.set()


class Echo(End):
    """Sends back what comes."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(data)


class HalfOpenEcho(Echo):
    """Goes on sending after the peer's end of file, then ends as well."""

    def eof_received(self) -> bool:
        self.transport.write(b"the rest")
        self.transport.close()
        return True


class Deaf(End):
    """Does not read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()


def reset(end: socket.socket) -> None:
    """Close, so that the peer gets a TCP reset."""
    linger_for_nothing(end)
    end.close()


def linger_for_nothing(end: Any) -> None:
    """Make the next close, whoever makes it, a TCP reset."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def pair(family: int = socket.AF_UNIX, kind: int = socket.SOCK_STREAM) -> Iterator[list[socket.socket]]:
    """Two connected sockets that do not block."""
    ends = list(socket.socketpair(family, kind))
    for end in ends:
        end.setblocking(False)
    with ends[0], ends[1]:
        yield ends


async def ended(*ends: End) -> None:
    """Abort what has not ended yet, and wait until the protocols know."""
    for end in ends:
        if end.transport is not None:
            if not end.lost.is_set():
                end.transport.abort()
            await end.lost.wait()


class Factory:
    """Makes the server's protocols and knows them."""

    def __init__(self, kind: Callable[[], End]) -> None:
        self.kind = kind
        self.ends: list[End] = []

    def __call__(self) -> End:
        self.ends.append(self.kind())
        return self.ends[-1]
