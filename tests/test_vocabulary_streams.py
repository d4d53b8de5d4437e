"""Stream readers, writers and their protocol: asyncio's, and on ironloop's loop ironloop's own."""

import asyncio
import contextlib
import gc
import inspect
import random
import sys
import weakref
from unittest import mock

import pytest
from support import HOST, PATIENCE, others_end, until


@pytest.fixture
def streams(loop_name):
    """Where the classes and functions are taken from."""
    if loop_name == "asyncio":
        return asyncio.streams
    import ironloop.streams

    return ironloop.streams


class Transport(asyncio.Transport):
    """Notes what a reader asks of it."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def pause_reading(self):
        self.calls.append("pause")

    def resume_reading(self):
        self.calls.append("resume")

    def close(self):
        self.calls.append("close")

    def is_closing(self):
        return "close" in self.calls


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


def test_the_buffer_may_be_looked_at_and_changed(run, streams):
    async def main():
        reader = streams.StreamReader()
        reader.feed_data(b"abc")
        buffer = reader._buffer
        assert type(buffer) is bytearray
        assert reader._buffer is buffer
        buffer.extend(b"def")
        reader.feed_data(b"ghi")
        assert await reader.read(4) == b"abcd"
        assert buffer == b"efghi"
        del buffer[:2]
        assert await reader.readexactly(1) == b"g"
        del buffer
        assert reader._buffer == b"hi"
        reader._buffer = bytearray(b"new")
        reader.feed_eof()
        assert await reader.read() == b"new"

    run(main)


@pytest.mark.parametrize("seed", range(12))
def test_all_bytes_come_once_and_in_order_however_they_are_read(run, streams, seed):
    chance = random.Random(seed)
    chunks = [chance.randbytes(chance.choice([1, 2, 10, 100])) for _ in range(200)]

    async def feed(reader):
        for chunk in chunks:
            reader.feed_data(chunk)
            if chance.random() < 0.6:
                await asyncio.sleep(0)
        reader.feed_eof()

    async def read(reader):
        match chance.randrange(5):
            case 0:
                return await reader.read(chance.choice([1, 10, 1000]))
            case 1:
                try:
                    return await reader.readexactly(chance.choice([1, 10, 100]))
                except asyncio.IncompleteReadError as error:
                    return error.partial
            case 2:
                return await reader.readline()
            case 3:
                # From now on the buffer is a bytearray, as long as it is kept.
                kept = reader._buffer
                return await reader.read(5) if kept is not None else b""
            case _:
                await asyncio.sleep(0)
                return b""

    async def main():
        reader = streams.StreamReader(limit=1 << 16)
        feeding = asyncio.create_task(feed(reader))
        read_so_far = b""
        while not reader.at_eof():
            read_so_far += await read(reader)
        await feeding
        assert read_so_far == b"".join(chunks)

    run(main)


def test_data_that_somebody_has_a_view_of_cannot_be_read(run, streams):
    async def main():
        reader = streams.StreamReader()
        reader.feed_data(b"abcdef")
        with memoryview(reader._buffer), pytest.raises(BufferError):
            await reader.readexactly(2)
        assert await reader.readexactly(2) == b"ab"

    run(main)


def test_a_full_buffer_pauses_the_transport_until_half_of_it_is_read(run, streams):
    async def main():
        reader, transport = streams.StreamReader(limit=4), Transport()
        reader.set_transport(transport)
        reader.feed_data(b"12345678")
        assert transport.calls == []
        reader.feed_data(b"9")
        assert transport.calls == ["pause"]
        assert await reader.read(4) == b"1234"
        assert transport.calls == ["pause"]
        assert await reader.readexactly(1) == b"5"
        assert transport.calls == ["pause", "resume"]

    run(main)


def test_who_waits_for_more_than_fits_lets_the_transport_go_on(run, streams):
    async def main():
        reader, transport = streams.StreamReader(limit=2), Transport()
        reader.set_transport(transport)
        reader.feed_data(b"12345")
        waiting = asyncio.create_task(reader.readexactly(8))
        await asyncio.sleep(0)
        assert transport.calls == ["pause", "resume"]
        reader.feed_data(b"678")
        assert await waiting == b"12345678"

    run(main)


def test_a_line_too_long_is_thrown_away(run, streams):
    async def main():
        reader = streams.StreamReader(limit=3)
        reader.feed_data(b"12345\nab\n123456")
        with pytest.raises(ValueError, match="longer than limit") as caught:
            await reader.readline()
        assert isinstance(caught.value.__context__, asyncio.LimitOverrunError)
        assert await reader.readline() == b"ab\n"
        with pytest.raises(ValueError, match="not found"):
            await reader.readline()
        assert reader._buffer == b""

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="several separators came with Python 3.13")
def test_the_separator_that_ends_first_counts(run, streams):
    async def main():
        reader = streams.StreamReader()
        reader.feed_data(b"a--b\r")
        waiting = asyncio.create_task(reader.readuntil((b"\r\n", b";")))
        await asyncio.sleep(0)
        reader.feed_data(b"\nc;")
        assert await waiting == b"a--b\r\n"
        assert await reader.readuntil((b"--long--", b";")) == b"c;"
        with pytest.raises(ValueError, match="at least one"):
            await reader.readuntil(())
        with pytest.raises(ValueError, match="one-byte"):
            await reader.readuntil((b"", b"a"))

    run(main)


@pytest.mark.parametrize("separator", [b"", bytearray(b";"), "text", 1, None])
def test_unusual_separators(run, streams, separator):
    async def outcome(reader):
        reader.feed_data(b"abc;")
        reader.feed_eof()
        try:
            return await reader.readuntil(separator)
        except (TypeError, ValueError) as error:
            return type(error), str(error)

    async def main():
        assert await outcome(streams.StreamReader()) == await outcome(asyncio.streams.StreamReader())

    run(main)


@pytest.mark.parametrize("size", [-1, 0, 3, 2.5, None, True, 10**30])
def test_unusual_sizes(run, streams, size):
    async def outcome(reader, method):
        reader.feed_data(b"abcdef")
        reader.feed_eof()
        try:
            return await getattr(reader, method)(size)
        except (TypeError, ValueError, OverflowError, asyncio.IncompleteReadError) as error:
            return type(error), str(error)

    async def main():
        for method in "read", "readexactly":
            expected = await outcome(asyncio.streams.StreamReader(), method)
            assert await outcome(streams.StreamReader(), method) == expected

    run(main)


def test_two_cannot_wait_for_the_same_reader(run, streams):
    async def main():
        reader = streams.StreamReader()
        waiting = asyncio.create_task(reader.readline())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match=r"readexactly\(\) called while another coroutine"):
            await reader.readexactly(1)
        reader.feed_data(b"\n")
        assert await waiting == b"\n"

    run(main)


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


@pytest.mark.parametrize("method, arguments", [("read", []), ("readline", []), ("readexactly", [1])])
def test_an_error_may_be_a_class(run, streams, method, arguments):
    async def main():
        reader = streams.StreamReader()
        reader.set_exception(KeyError)
        with pytest.raises(KeyError):
            await getattr(reader, method)(*arguments)
        reader.set_exception(5)
        with pytest.raises(TypeError, match="exceptions must derive from BaseException"):
            await getattr(reader, method)(*arguments)

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
        writer = streams.StreamWriter(Transport(), Stubborn(reader, loop=loop), reader, loop)
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


def test_a_reader_in_a_cycle_with_who_waits_for_it_is_collected(run, streams):
    async def main():
        async def wait():
            reader = streams.StreamReader()
            reader.itself = reader
            held.append(weakref.ref(reader))
            await reader.read(1)

        held = []
        task = asyncio.get_running_loop().create_task(wait())
        await asyncio.sleep(0)
        task._log_destroy_pending = False
        del task
        gc.collect()
        assert held[0]() is None

    run(main)


def test_a_read_that_was_not_awaited_warns(run, streams):
    async def main():
        with pytest.warns(RuntimeWarning, match=r"'StreamReader.readexactly' was never awaited"):
            streams.StreamReader().readexactly(1)
            gc.collect()

    run(main)


def test_a_read_closed_while_it_waits_leaves_nobody_waiting(run, streams):
    async def main():
        reader = streams.StreamReader()
        reading = reader.read(1)
        assert reading.send(None) is reader._waiter
        reading.close()
        assert reader._waiter is None

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
