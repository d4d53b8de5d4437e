"""Stream readers, writers and their protocol: asyncio's, and on ironloop's loop ironloop's own."""

import asyncio
import contextlib
import gc
import inspect
import sys
import weakref
from unittest import mock

import pytest
from support import HOST, PATIENCE, NotingTransport, others_end, until


@contextlib.asynccontextmanager
async def connected(streams, handler, **options):
    before = asyncio.all_tasks()
    async with await streams.start_server(handler, HOST, 0, **options) as server:
        reader, writer = await streams.open_connection(*server.sockets[0].getsockname(), **options)
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()
    await others_end(before)


async def echo(reader, writer):
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            writer.write(await reader.readexactly(4))
            await writer.drain()
    writer.close()
    await writer.wait_closed()


def test_server_and_client_have_the_classes_of_their_module(run, streams):
    async def main():
        seen = asyncio.get_running_loop().create_future()

        async def handler(reader, writer):
            seen.set_result((reader, writer))
            await echo(reader, writer)

        async with connected(streams, handler) as (reader, writer):
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
            for ends in (reader, writer), await seen:
                assert [type(end) for end in ends] == [streams.StreamReader, streams.StreamWriter]

    run(main)


def test_classes_pass_for_asyncios(streams):
    for name in "StreamReader", "StreamWriter", "StreamReaderProtocol":
        stock, ours = getattr(asyncio.streams, name), getattr(streams, name)
        assert issubclass(ours, stock)
        assert issubclass(stock, ours)
    assert inspect.iscoroutinefunction(streams.StreamReader.readexactly)
    assert inspect.iscoroutinefunction(streams.open_connection)
    signature = inspect.signature(asyncio.streams.StreamReader.readuntil)
    assert inspect.signature(streams.StreamReader.readuntil) == signature


def test_on_a_loop_of_asyncio_they_are_asyncios(streams):
    async def main():
        reader = streams.StreamReader()
        assert type(reader) is asyncio.streams.StreamReader
        async with connected(streams, echo) as (reader, writer):
            assert type(reader) is asyncio.streams.StreamReader
            assert type(writer) is asyncio.streams.StreamWriter
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())


def test_a_reader_made_before_any_loop_runs_works_on_any(streams):
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        loop = runner.get_loop()
        reader = streams.StreamReader(loop=loop)

        async def main():
            loop.call_soon(reader.feed_data, b"line\n")
            assert await reader.readline() == b"line\n"
            waiting = loop.create_task(reader.read())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert reader._waiter is None

        runner.run(main())


def test_an_error_reaches_readers_and_writers(run, streams):
    async def main():
        async with connected(streams, echo) as (reader, writer):
            waiting = asyncio.create_task(reader.read(1))
            await asyncio.sleep(0)
            error = ConnectionResetError("gone")
            reader.set_exception(error)
            with pytest.raises(ConnectionResetError, match="gone"):
                await waiting
            with pytest.raises(ConnectionResetError, match="gone"):
                await reader.readline()
            with pytest.raises(ConnectionResetError, match="gone"):
                await writer.drain()
            assert reader.exception() is error

    run(main)


def test_misuse(run, streams):
    async def main():
        reader = streams.StreamReader()
        del reader._waiter
        reader._waiter = None
        reader.feed_data(b"a\n")
        assert await reader.readline() == b"a\n"
        for call, text in (
            (lambda: reader.read(1, 2), "read() takes from 1 to 2 positional arguments but 3 were given"),
            (lambda: reader.readline(1), "readline() takes 1 positional argument but 2 were given"),
            (lambda: reader.readexactly(), "readexactly() missing 1 required positional argument: 'n'"),
            (lambda: reader.at_eof(now=1), "at_eof() got an unexpected keyword argument 'now'"),
        ):
            with pytest.raises(TypeError) as found:
                call()
            assert str(found.value) == f"StreamReader.{text}"

    run(main)


def test_methods_of_a_subclass_are_called(run, streams):
    class Reader(streams.StreamReader):
        def feed_data(self, data):
            super().feed_data(data.upper())

        async def readuntil(self, separator=b"\n"):
            return b"> " + await super().readuntil(separator)

    class Protocol(streams.StreamReaderProtocol):
        def data_received(self, data):
            super().data_received(data + b"!\n")

    async def main():
        async with await streams.start_server(echo, HOST, 0) as server:
            loop = asyncio.get_running_loop()
            reader = Reader()
            transport, protocol = await loop.create_connection(
                lambda: Protocol(reader), *server.sockets[0].getsockname()
            )
            writer = streams.StreamWriter(transport, protocol, reader, loop)
            writer.write(b"ping")
            await writer.drain()
            assert await reader.readline() == b"> PING!\n"
            writer.close()
            await writer.wait_closed()
        await others_end()

    run(main)


def test_what_is_put_on_an_instance_is_called(run, streams):
    async def main():
        fed, written = [], []
        async with connected(streams, echo) as (reader, writer):
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
            feed = reader.feed_data
            reader.feed_data = lambda data: (fed.append(data), feed(data))
            transport = writer.transport
            send = transport.write
            transport.write = lambda data: (written.append(data), send(data))
            writer.write(b"pong")
            await writer.drain()
            assert await reader.readexactly(4) == b"pong"
            del reader.feed_data
        assert fed == [b"pong"]
        assert written == [b"pong"]

    run(main)


@pytest.mark.parametrize(
    "class_name, method",
    [("StreamReader", "readuntil"), ("StreamReader", "feed_data"), ("StreamReaderProtocol", "data_received")],
)
def test_what_a_tool_puts_on_a_class_for_a_while_is_called(run, streams, class_name, method):
    owner = getattr(streams, class_name)

    async def use(reader, writer):
        writer.write(b"abc\n")
        assert await reader.readline() == b"abc\n"

    async def main():
        called = []
        original = getattr(owner, method)

        def noting(*arguments):
            called.append(arguments)
            return original(*arguments)

        async with connected(streams, echo) as (reader, writer):
            await use(reader, writer)
            with mock.patch.object(owner, method, noting):
                await use(reader, writer)
            # Data comes in at both ends of the connection.
            count = 1 if method == "readuntil" else 2
            assert len(called) == count
            await use(reader, writer)
            assert len(called) == count

    run(main)


def test_what_a_tool_had_put_on_a_class_is_forgotten(run, streams):
    async def main():
        reader = streams.StreamReader()
        with mock.patch.object(streams.StreamReader, "readuntil", return_value=b"patched"):
            reader.feed_data(b"a\nb\n")
            assert await reader.readline() == b"patched"
        assert [await reader.readline() for _ in range(2)] == [b"a\n", b"b\n"]

    run(main)


def test_drain_waits_while_the_transport_is_full(run, streams):
    async def main():
        may_read = asyncio.Event()

        async def handler(reader, writer):
            await may_read.wait()
            while await reader.read(1 << 20):
                pass
            writer.close()
            await writer.wait_closed()

        async with connected(streams, handler) as (_, writer):
            transport = writer.transport
            while transport.get_write_buffer_size() <= transport.get_write_buffer_limits()[1]:
                writer.write(bytes(1 << 20))
            draining = [asyncio.create_task(writer.drain()) for _ in range(3)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not any(task.done() for task in draining)
            draining.pop().cancel()
            may_read.set()
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*draining)

    run(main)


def test_drain_gives_way_once_if_the_transport_is_closing(run, streams):
    async def main():
        async with connected(streams, echo) as (_, writer):
            with pytest.raises(StopIteration):
                writer.drain().send(None)
            turns = []
            writer.close()
            asyncio.get_running_loop().call_soon(turns.append, "turn")
            with contextlib.suppress(ConnectionResetError):
                await writer.drain()
            assert turns == ["turn"]

    run(main)


def test_drain_returns_if_a_protocol_swallows_a_cancellation(run, streams):
    class Stubborn(streams.StreamReaderProtocol):
        async def _drain_helper(self):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()

    async def main():
        loop = asyncio.get_running_loop()
        reader = streams.StreamReader(loop=loop)
        writer = streams.StreamWriter(NotingTransport(), Stubborn(reader, loop=loop), reader, loop)
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)
        draining.cancel()
        assert await draining is None
        writer.close()

    run(main)


def test_a_connection_that_nobody_closed_is_collected(run, streams):
    async def main():
        async def handler(reader, writer):
            await reader.read()
            writer.close()

        async with await streams.start_server(handler, HOST, 0) as server:
            reader, writer = await streams.open_connection(*server.sockets[0].getsockname())
            transport = writer.transport
            gone = weakref.ref(reader)
            with pytest.warns(ResourceWarning, match="unclosed <StreamWriter"):
                del reader, writer
                gc.collect()
            await until(lambda: transport.get_extra_info("socket").fileno() < 0)  # noqa: F821
            del transport
            gc.collect()
            assert gone() is None

    if sys.version_info < (3, 13) and not hasattr(asyncio.StreamWriter, "__del__"):
        pytest.skip("writers say nothing in this Python")
    run(main)


def test_subprocesses_have_streams_too(run, streams, monkeypatch):
    for name in "StreamReader", "StreamWriter", "StreamReaderProtocol":
        monkeypatch.setattr(asyncio.streams, name, getattr(streams, name))

    async def main():
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)
        assert type(process.stdout) is streams.StreamReader
        process.stdin.write(b"one\ntwo\n")
        await process.stdin.drain()
        assert await process.stdout.readline() == b"one\n"
        out, _ = await process.communicate(b"three")
        assert out == b"two\nthree"

    run(main)


def test_tls_from_the_beginning_and_later(run, streams, server_tls, client_tls):
    async def upgrade(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"GO\n")
        await writer.start_tls(server_tls)
        await echo(reader, writer)

    async def main():
        async with await streams.start_server(upgrade, HOST, 0) as server:
            reader, writer = await streams.open_connection(*server.sockets[0].getsockname())
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"GO\n"
            await writer.start_tls(client_tls, server_hostname="localhost")
            writer.write(b"ping")
            await writer.drain()
            assert await reader.readexactly(4) == b"ping"
            writer.close()
            await writer.wait_closed()
        async with await streams.start_server(echo, HOST, 0, ssl=server_tls) as server:
            address = server.sockets[0].getsockname()
            reader, writer = await streams.open_connection(
                *address, ssl=client_tls, server_hostname="localhost"
            )
            writer.write(b"pong")
            await writer.drain()
            assert await reader.readexactly(4) == b"pong"
            writer.close()
            await writer.wait_closed()

    run(main)


def test_unix_sockets(run, streams, tmp_path):
    async def main():
        path = tmp_path / "socket"
        async with await streams.start_unix_server(echo, path):
            reader, writer = await streams.open_unix_connection(path)
            assert type(reader) is streams.StreamReader
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
            writer.close()
            await writer.wait_closed()
        await others_end()

    run(main)
