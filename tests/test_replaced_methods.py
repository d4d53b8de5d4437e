"""Protocols whose methods change while a connection lasts: state machines, spies, a tool's patches."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import datagrams
import pytest
from support import Recorder, abort, connected_to_socket, socket_pair, until


def spy(target: Any, name: str) -> list[str]:
    """Notes each call of a method from now on, in front of what it does."""
    calls: list[str] = []
    original = getattr(target, name)

    def noting(*arguments: Any) -> Any:
        calls.append(name)
        return original(*arguments)

    setattr(target, name, noting)
    return calls


def test_data_received(run):
    class Machine(Recorder):
        def __init__(self):
            super().__init__()
            self.log = []

        def data_received(self, data):
            self.log.append(("greeting", data))
            self.data_received = self.body_received

        def body_received(self, data):
            self.log.append(("body", data))
            del self.data_received

    async def main():
        async with connected_to_socket(Machine) as (near, peer):
            for number in range(3):
                peer.send(b"%d" % number)
                await until(lambda count=number: len(near.log) > count)
            assert near.log == [("greeting", b"0"), ("body", b"1"), ("greeting", b"2")]

    run(main)


def test_data_received_of_the_class(run, monkeypatch):
    async def main():
        async with connected_to_socket() as (near, peer):
            peer.send(b"1")
            await near.received(1)
            later = []
            monkeypatch.setattr(Recorder, "data_received", lambda self, data: later.append(data))
            peer.send(b"2")
            await until(lambda: later == [b"2"])
            assert near.data == b"1"

    run(main)


def test_get_buffer_and_buffer_updated(run):
    class Buffered(Recorder, asyncio.BufferedProtocol):
        data_received = None

        def get_buffer(self, sizehint):
            self.buffer = bytearray(10)
            return self.buffer

        def buffer_updated(self, count):
            self.data += self.buffer[:count]

    async def main():
        async with connected_to_socket(Buffered) as (near, peer):
            peer.send(b"1")
            await near.received(1)
            got, updated = spy(near, "get_buffer"), spy(near, "buffer_updated")
            peer.send(b"2")
            assert await near.received(2) == b"12"
            assert (got, updated) == (["get_buffer"], ["buffer_updated"])

    run(main)


def test_a_protocol_that_hands_over_in_get_buffer(run):
    """asyncio tells the new one of what has come into the buffer of the old."""

    class Old(Recorder, asyncio.BufferedProtocol):
        def get_buffer(self, sizehint):
            self.transport.set_protocol(new)
            return bytearray(10)

        def buffer_updated(self, count):
            raise AssertionError

    class New(Recorder, asyncio.BufferedProtocol):
        def __init__(self):
            super().__init__()
            self.updates = []

        def get_buffer(self, sizehint):
            return bytearray(10)

        def buffer_updated(self, count):
            self.updates.append(count)

    async def main():
        nonlocal new
        new = New()
        async with connected_to_socket(Old) as (near, peer):
            new.transport = near.transport
            peer.send(b"four")
            await until(lambda: new.updates == [4])
            await abort(new)
            near.lost.set_result(None)

    new = None
    run(main)


def test_eof_received_and_connection_lost(run):
    async def main():
        async with connected_to_socket() as (near, peer):
            peer.send(b"1")
            await near.received(1)
            eof, lost = spy(near, "eof_received"), spy(near, "connection_lost")
            peer.shutdown(socket.SHUT_WR)
            await near.lost
            assert (eof, lost) == (["eof_received"], ["connection_lost"])

    run(main)


def test_pause_writing_and_resume_writing(run):
    async def main():
        async with connected_to_socket() as (near, peer):
            near.transport.write(bytes(20_000_000))
            assert near.calls[-1] == "pause"
            resumed = spy(near, "resume_writing")
            peer.setblocking(False)
            loop = asyncio.get_running_loop()
            left = 20_000_000
            while left:
                left -= len(await loop.sock_recv(peer, 1 << 20))
            await until(lambda: resumed == ["resume_writing"])
            paused = spy(near, "pause_writing")
            near.transport.write(bytes(20_000_000))
            assert paused == ["pause_writing"]

    run(main)


def test_datagram_received_and_error_received(run):
    async def main():
        async with datagrams.endpoint() as end:
            with datagrams.plain_socket() as peer:
                peer.sendto(b"1", datagrams.name_of(end))
                await end.datagrams(1)
                received = spy(end, "datagram_received")
                for data in (b"2", b"3"):
                    peer.sendto(data, datagrams.name_of(end))
                await end.datagrams(3)
                assert received == ["datagram_received"] * 2
            errors = spy(end, "error_received")
            end.transport.sendto(bytes(100_000), datagrams.name_of(end))
            assert errors == ["error_received"]

    run(main)


@pytest.mark.parametrize("name", ["data_received", "eof_received", "pause_writing", "resume_writing"])
def test_a_spy_on_the_protocol_of_a_stream(run, streams, name):
    async def main():
        with socket_pair() as (near, far):
            reader, writer = await streams.open_connection(sock=near)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(far, b"1")
            assert await reader.readexactly(1) == b"1"
            calls = spy(writer.transport.get_protocol(), name)
            await loop.sock_sendall(far, b"2")
            assert await reader.readexactly(1) == b"2"
            writer.write(bytes(10_000_000))
            drained = asyncio.create_task(writer.drain())
            left = 10_000_000
            while left:
                left -= len(await loop.sock_recv(far, 1 << 20))
            await drained
            far.shutdown(socket.SHUT_WR)
            assert await reader.read() == b""
            assert calls == [name]
            writer.close()
            await writer.wait_closed()

    run(main)
