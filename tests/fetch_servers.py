"""The client of examples/fetch, and servers for it that do as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import rust_extension
from support import HOST, PATIENCE

fetch = rust_extension.build("fetch._fetch", rust_extension.ROOT / "examples" / "fetch")


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def request(self) -> str:
        """The head of the next request; an empty one, if the client has closed."""
        try:
            return (await self.reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return ""

    async def answer(self, text: str) -> None:
        """``\\n`` stands for what ends a line in HTTP."""
        self.writer.write(text.replace("\n", "\r\n").encode())
        await self.writer.drain()

    async def closed(self) -> None:
        """Waits until the client has closed."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass


Serve = Callable[[Peer], Awaitable[Any]]


class Server:
    """``url`` to ask; ``peers`` are all that have connected."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.peers: list[Peer] = []
        self.tasks: list[asyncio.Task[Any] | None] = []
        self.failed: list[BaseException] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        self.tasks.append(asyncio.current_task())
        try:
            await self.serve(peer)
        except Exception as error:
            self.failed.append(error)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Server]:
    """A server whose connections are each served by ``serve(peer)``, and then closed."""
    server = Server(serve)
    listening = await asyncio.start_server(server.connected, HOST, 0)
    host, port = listening.sockets[0].getsockname()
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        listening.close()
        for peer in server.peers:
            peer.writer.close()
        for task in filter(None, server.tasks):
            await asyncio.wait([task], timeout=PATIENCE)
    assert not server.failed, server.failed


def answering(text: str) -> Serve:
    """The same answer to each request, for as long as there are any."""

    async def serve(peer: Peer) -> None:
        while await peer.request():
            await peer.answer(text)

    return serve


OK = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """The URL of a port that takes no more connections, and says nothing."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind((HOST, 0))
        listening.listen(0)
        address = listening.getsockname()
        for _ in range(10):  # the system takes one or two more than it was told
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.1)
            try:
                waiting.connect(address)
            except TimeoutError:
                break
        yield f"http://{address[0]}:{address[1]}"
