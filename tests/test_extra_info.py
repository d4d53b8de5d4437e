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
