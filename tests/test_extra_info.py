"""What ``get_extra_info`` tells of a connection, and still tells when it is over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support import HOST, PATIENCE, Recorder, abort

KINDS = ["tcp", "tcp6", "unix", "abstract"]


@contextlib.asynccontextmanager
async def connected(kind: str, folder: Path) -> AsyncIterator[tuple[Any, Any, Any]]:
    """Two protocols at the ends of a connection, and the address of the server."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[Recorder] = loop.create_future()

    class Server(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            accepted.set_result(self)

    if kind.startswith("tcp"):
        server = await loop.create_server(Server, HOST if kind == "tcp" else "::1", 0)
        address = server.sockets[0].getsockname()
        _, near = await loop.create_connection(Recorder, *address[:2])
    else:
        path = str(folder / "socket") if kind == "unix" else f"\0ironloop-{os.getpid()}"
        server = await loop.create_unix_server(Server, path)
        address = server.sockets[0].getsockname()
        _, near = await loop.create_unix_connection(Recorder, path)
    far = await asyncio.wait_for(accepted, PATIENCE)
    try:
        yield near, far, address
    finally:
        await abort(near)
        await abort(far)
        server.close()
        await server.wait_closed()


def names(end: Recorder) -> list[Any]:
    return [end.transport.get_extra_info(name) for name in ("sockname", "peername")]


@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_names_and_the_closed_socket_are_known_after_the_end(run, tmp_path, kind, asked_before):
    async def main():
        async with connected(kind, tmp_path) as (near, far, address):
            known = []
            if asked_before:
                known = [end.transport.get_extra_info("socket") for end in (near, far)]
                assert names(near) == names(far)[::-1]
            near.transport.close()
            assert await asyncio.wait_for(near.lost, PATIENCE) is None
            assert await asyncio.wait_for(far.lost, PATIENCE) is None
            await asyncio.sleep(0)
            assert names(near)[1] == names(far)[0] == address
            assert names(near)[0] == names(far)[1]
            assert (names(near)[0] == "") == (kind in ("unix", "abstract"))
            for index, end in enumerate((near, far)):
                own = end.transport.get_extra_info("socket")
                assert isinstance(own, asyncio.trsock.TransportSocket)
                assert own is end.transport.get_extra_info("socket")
                assert own.fileno() == -1
                assert own.type == socket.SOCK_STREAM
                expected = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6}.get(kind, socket.AF_UNIX)
                assert own.family == expected
                if asked_before:
                    assert own is known[index]

    run(main)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_those_of_the_beginning(run, tmp_path, kind):
    """The sockets were closed behind the transports' backs, so there is nobody to ask any more."""

    async def main():
        async with connected(kind, tmp_path) as (near, far, address):
            for end in (near, far):
                end.transport.get_extra_info("socket")._sock.close()
            assert names(near)[1] == names(far)[0] == address
            assert names(near)[0] == names(far)[1]

    run(main)


def test_a_peer_without_a_name_is_known_and_the_default_is_not_for_it(run):
    async def main():
        near, far = socket.socketpair()
        with far:
            _, protocol = await asyncio.get_running_loop().create_connection(Recorder, sock=near)
            assert protocol.transport.get_extra_info("peername", "default") == ""
            assert protocol.transport.get_extra_info("no such thing", "default") == "default"
            await abort(protocol)

    run(main)


@pytest.mark.parametrize("asked", ["while it is open", "as it is lost", "after the end", "after its socket"])
def test_the_own_name_behind_a_server_for_all_addresses(run, asked):
    """A connection has one of them, and keeps it whoever asks for it when."""

    async def main():
        loop = asyncio.get_running_loop()
        accepted: asyncio.Future[Any] = loop.create_future()
        lost: asyncio.Future[Any] = loop.create_future()

        class Server(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport
                accepted.set_result(transport)

            def connection_lost(self, error):
                lost.set_result(
                    self.transport.get_extra_info("sockname") if asked == "as it is lost" else None
                )

        server = await loop.create_server(Server, "0.0.0.0", 0)
        address = (HOST, server.sockets[0].getsockname()[1])
        _, near = await loop.create_connection(Recorder, *address)
        far = await asyncio.wait_for(accepted, PATIENCE)
        if asked == "while it is open":
            assert far.get_extra_info("sockname") == address
        if asked == "after its socket":
            far.get_extra_info("socket")._sock.close()
            assert far.get_extra_info("sockname") == address
            far.abort()
        near.transport.abort()
        assert await asyncio.wait_for(lost, PATIENCE) in (None, address)
        await asyncio.sleep(0)
        assert far.get_extra_info("sockname") == address
        server.close()

    run(main)


def test_the_socket_that_was_asked_for_as_the_connection_is_lost_can_be_watched(run):
    """It is the program's until it is closed, which is after `connection_lost`."""

    async def main():
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Any] = loop.create_future()

        class Server(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport

            def data_received(self, data):
                self.transport.abort()

            def connection_lost(self, error):
                copy = self.transport.get_extra_info("socket").dup()
                readable = asyncio.Event()
                loop.add_reader(copy, readable.set)
                told.set_result((copy, readable))

        server = await loop.create_server(Server, HOST, 0)
        _, near = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
        near.transport.write(b"x")
        copy, readable = await asyncio.wait_for(told, PATIENCE)
        near.transport.write(b"y")
        await asyncio.wait_for(readable.wait(), PATIENCE)
        assert copy.recv(10) == b"y"
        loop.remove_reader(copy)
        copy.close()
        await abort(near)
        server.close()

    run(main)
