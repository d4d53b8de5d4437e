"""Protocols that raise: the connection ends or lives as in asyncio, and the loop lives on."""

import asyncio
import socket

import pytest
from support import Recorder, connected


@pytest.fixture
def contexts(loop):
    collected = []
    loop.set_exception_handler(lambda loop, context: collected.append(context))
    return collected


class Failure(Exception):
    pass


def failing(*names):
    """A Recorder that raises Failure at the end of the calls named."""

    def method(name):
        def call(self, *arguments):
            getattr(Recorder, name)(self, *arguments)
            raise Failure(name)

        return call

    return type("Failing", (Recorder,), {name: method(name) for name in names})


def messages(contexts):
    return [context["message"].partition("\n")[0] for context in contexts]


def test_data_received(loop, contexts):
    async def main():
        async with connected(server=failing("data_received")) as (near, far):
            near.transport.write(b"x")
            assert isinstance(await far.lost, Failure)
            await near.lost
            assert far.calls == ["made", "data", "lost"]
            return far

    far = loop.run_until_complete(main())
    (context,) = contexts
    assert context["message"] == "Fatal error: protocol.data_received() call failed."
    assert isinstance(context["exception"], Failure)
    assert context["transport"] is far.transport
    assert context["protocol"] is far


def test_eof_received(loop, contexts):
    async def main():
        async with connected(server=failing("eof_received")) as (near, far):
            near.transport.write_eof()
            assert isinstance(await far.lost, Failure)
            await near.lost

    loop.run_until_complete(main())
    assert messages(contexts) == ["Fatal error: protocol.eof_received() call failed."]


def test_connection_made(loop, contexts):
    """It is reported; the connection stays, and the protocol gets its data."""

    async def main():
        async with connected(server=failing("connection_made")) as (near, far):
            near.transport.write(b"still here")
            assert await far.received(10) == b"still here"

    loop.run_until_complete(main())
    (context,) = contexts
    assert context["message"].startswith("Exception in callback")
    assert isinstance(context["exception"], Failure)


def test_connection_lost(loop, contexts):
    async def main():
        async with connected(server=failing("connection_lost")) as (near, far):
            near.transport.close()
            await near.lost
            await far.lost

    loop.run_until_complete(main())
    (context,) = contexts
    assert context["message"].startswith("Exception in callback")
    assert isinstance(context["exception"], Failure)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_leave_the_loop(loop, contexts, kind):
    class Leaving(Recorder):
        def data_received(self, data):
            super().data_received(data)
            raise kind("leaving")

    async def main():
        async with connected(server=Leaving) as (near, _):
            near.transport.write(b"x")
            await asyncio.sleep(3600)

    task = loop.create_task(main())
    with pytest.raises(kind, match="leaving"):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    assert contexts == []


def test_a_server_closed_by_its_first_connection(run):
    async def main():
        loop = asyncio.get_running_loop()
        told = asyncio.Event()

        class Closer(asyncio.Protocol):
            def connection_made(self, transport):
                server.close()
                transport.close()
                told.set()

        server = await loop.create_server(Closer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await told.wait()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

    run(main)


def test_the_protocol_is_known_in_connection_lost(run):
    async def main():
        known = asyncio.get_running_loop().create_future()

        class Watcher(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport
                transport.close()

            def connection_lost(self, exc):
                known.set_result(self.transport.get_protocol() is self)

        left, right = socket.socketpair()
        with right:
            await asyncio.get_running_loop().create_connection(Watcher, sock=left)
            assert await known

    run(main)
