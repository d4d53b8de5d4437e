"""Peers reset their connections to a server of streams, whose handler deals with that: nothing is to report.

``wait_closed`` would raise the error, but nobody has to ask. It hangs in a cycle with the handler's frame, so
the collector finds it, and must come to the protocol before it comes to the protocol's future.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from typing import Any

import pytest
from support import HOST, others_end, reset, until

COUNT = 20


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.read(100):
            pass
    except ConnectionError:
        pass
    finally:
        writer.close()


async def resets(loop: Any, server: asyncio.Server, client_tls: ssl.SSLContext | None) -> list[str]:
    """What is reported when all clients of a server have reset their connections."""
    said: list[str] = []
    loop.set_exception_handler(lambda loop, context: said.append(context["message"]))
    before = asyncio.all_tasks()

    def connect() -> socket.socket:
        sock = socket.create_connection(address)
        if client_tls is not None:
            sock = client_tls.wrap_socket(sock, server_hostname="localhost")
        return sock

    address = server.sockets[0].getsockname()
    peers = [await loop.run_in_executor(None, connect) for _ in range(COUNT)]
    await until(lambda: len(asyncio.all_tasks() - before) == COUNT)
    # What lives by now is older than what the resets bring.
    gc.collect(0)
    for peer in peers:
        reset(peer)
    await others_end(before)
    server.close()
    await asyncio.sleep(0)
    gc.collect()
    return said


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_nothing_is_left_to_report(run, server_tls, client_tls, streams, tls):
    async def main():
        server = await streams.start_server(serve, HOST, 0, ssl=server_tls if tls else None)
        loop = asyncio.get_running_loop()
        assert await resets(loop, server, client_tls if tls else None) == []

    run(main)


def test_nothing_is_left_of_protocols_that_ask_in_their_last_moment(run):
    """asyncio's own protocol relies on the order in which the collector comes to what has been made."""

    def protocol() -> asyncio.StreamReaderProtocol:
        reader = asyncio.StreamReader(loop=asyncio.get_running_loop())
        return asyncio.StreamReaderProtocol(reader, serve)

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(protocol, HOST, 0)
        assert await resets(loop, server, None) == []

    run(main)
