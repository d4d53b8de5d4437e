"""Echo servers: protocol, buffered protocol, streams and sock_*, under the same loads; reconnecting; UDP."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from harness.workload import Load, bind, served

BACKLOG = 1024

# A fixed number of requests, half a second to two for a fast loop: most of those that have goals.
REQUESTS = {1: 100_000, 10: 20_000, 100: 5_000}
REQUESTS_ALONE = {1: 8_000, 10: 6_000, 100: 3_000}

LOADS = [
    Load((REQUESTS_ALONE if connections == 1 else REQUESTS)[kib], connections, kib * 1024)
    for kib in (1, 10, 100)
    for connections in (1, 10, 100)
]
CROWD = Load(30_000, 1_000)
DATAGRAMS = Load(20_000, 10, mode="datagrams")
RECONNECT = Load(5_000, 10, mode="reconnect")

Announce = Callable[[int], None]


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class DatagramEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


class BufferedEcho(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self.buffer = bytearray(128 * 1024)
        self.view = memoryview(self.buffer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.view

    def buffer_updated(self, nbytes: int) -> None:
        # The slice is a copy: a transport may keep what it cannot send yet, and the buffer is filled again.
        self.transport.write(self.buffer[:nbytes])


async def forever() -> None:
    """Instead of `Server.serve_forever()`, which closes the listener of rloop 0.5."""
    await asyncio.Event().wait()


async def serve(
    factory: Callable[[], asyncio.BaseProtocol], announce: Announce, context: ssl.SSLContext | None = None
) -> None:
    listener, port = bind()
    loop = asyncio.get_running_loop()
    _server = await loop.create_server(factory, sock=listener, backlog=BACKLOG, ssl=context)
    announce(port)
    await forever()


@served("echo/protocol/{load}", [*LOADS, CROWD])
async def protocol(load: Load, announce: Announce) -> None:
    await serve(Echo, announce)


@served("echo/buffered/{load}", LOADS)
async def buffered_protocol(load: Load, announce: Announce) -> None:
    await serve(BufferedEcho, announce)


async def serve_streams(size: int, announce: Announce, context: ssl.SSLContext | None = None) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(await reader.readexactly(size))
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    listener, port = bind()
    _server = await asyncio.start_server(echo, sock=listener, backlog=BACKLOG, ssl=context)
    announce(port)
    await forever()


@served("echo/streams/{load}", LOADS)
async def streams(load: Load, announce: Announce) -> None:
    await serve_streams(load.size, announce)


@served("echo/sock/{load}", LOADS)
async def sock(load: Load, announce: Announce) -> None:
    loop = asyncio.get_running_loop()
    tasks = set()

    async def echo(connection: socket.socket) -> None:
        with connection:
            while data := await loop.sock_recv(connection, 64 * 1024):
                await loop.sock_sendall(connection, data)

    listener, port = bind()
    with listener:
        listener.listen(BACKLOG)
        listener.setblocking(False)
        announce(port)
        while True:
            connection, _ = await loop.sock_accept(listener)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = loop.create_task(echo(connection))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


@served("echo/datagrams/{load}", [DATAGRAMS])
async def datagrams(load: Load, announce: Announce) -> None:
    socket_, port = bind(socket.SOCK_DGRAM)
    await asyncio.get_running_loop().create_datagram_endpoint(DatagramEcho, sock=socket_)
    announce(port)
    await forever()


@served("reconnect/protocol/{load}", [RECONNECT])
async def reconnect(load: Load, announce: Announce) -> None:
    """Accept, one request, close."""
    await serve(Echo, announce)
