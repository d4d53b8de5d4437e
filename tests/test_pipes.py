"""connect_read_pipe and connect_write_pipe: pipes, sockets and character devices as transports."""

import asyncio
import contextlib
import gc
import os
import pty
import random
import socket
import tempfile
import tty

import pytest
from support import PATIENCE, Recorder, open_descriptors, until


@pytest.fixture
def pipe():
    """A pipe's two ends as files: (reading, writing)."""
    reading, writing = os.pipe()
    with open(reading, "rb", 0) as reading_file, open(writing, "wb", 0) as writing_file:
        yield reading_file, writing_file


@pytest.fixture
def terminal():
    """A pseudo-terminal's two ends as files, in raw mode: (master, slave)."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    with open(master, "rb+", 0) as master_file, open(slave, "rb+", 0) as slave_file:
        yield master_file, slave_file


async def read_pipe(file, factory=Recorder):
    _, protocol = await asyncio.get_running_loop().connect_read_pipe(factory, file)
    return protocol


async def write_pipe(file, factory=Recorder):
    _, protocol = await asyncio.get_running_loop().connect_write_pipe(factory, file)
    return protocol


async def read_all(descriptor, size):
    """What arrives at a descriptor, until there are ``size`` bytes; never blocks the loop."""
    os.set_blocking(descriptor, False)
    data = bytearray()

    def read_some():
        with contextlib.suppress(BlockingIOError):
            data.extend(os.read(descriptor, 1_000_000))
        return len(data) >= size

    await until(read_some)
    return bytes(data)


# Reading


def test_reading_a_pipe_to_its_end(run, pipe):
    reading, writing = pipe

    async def main():
        reader = await read_pipe(reading)
        assert isinstance(reader.transport, asyncio.ReadTransport)
        assert reader.transport.get_extra_info("pipe") is reading
        assert reader.transport.get_protocol() is reader
        writing.write(b"one ")
        await reader.received(4)
        writing.write(b"two")
        assert await reader.received(7) == b"one two"
        writing.close()
        assert await reader.lost is None
        assert reader.calls == ["made", "data", "data", "eof", "lost"]
        assert reader.transport.is_closing()

    run(main)
    assert reading.closed


def test_what_was_written_before_the_end_is_read_first(run, pipe):
    reading, writing = pipe
    writing.write(b"x" * 50_000)
    writing.close()

    async def main():
        reader = await read_pipe(reading)
        assert await reader.lost is None
        assert reader.data == b"x" * 50_000

    run(main)


def test_pause_and_resume_reading(run, pipe):
    reading, writing = pipe

    async def main():
        reader = await read_pipe(reading)
        reader.transport.pause_reading()
        reader.transport.pause_reading()
        assert not reader.transport.is_reading()
        writing.write(b"held back")
        await asyncio.sleep(0.01)
        assert reader.calls == ["made"]
        reader.transport.resume_reading()
        reader.transport.resume_reading()
        assert reader.transport.is_reading()
        assert await reader.received(9) == b"held back"
        reader.transport.close()
        await reader.lost

    run(main)


def test_a_protocol_may_pause_when_the_connection_is_made(run, pipe):
    reading, writing = pipe

    class Paused(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    async def main():
        writing.write(b"data")
        reader = await read_pipe(reading, Paused)
        await asyncio.sleep(0.01)
        assert reader.calls == ["made"]
        reader.transport.resume_reading()
        assert await reader.received(4) == b"data"
        reader.transport.close()
        await reader.lost

    run(main)


def test_close_ends_reading(run, pipe):
    reading, writing = pipe

    async def main():
        reader = await read_pipe(reading)
        writing.write(b"too late")
        reader.transport.close()
        reader.transport.close()
        assert reader.transport.is_closing()
        assert not reader.transport.is_reading()
        assert reader.calls == ["made"]  # connection_lost comes in a later turn
        assert await reader.lost is None
        assert reader.calls == ["made", "lost"]
        with pytest.raises(BrokenPipeError):
            writing.write(b"x")

    run(main)


def test_set_protocol(run, pipe):
    reading, writing = pipe

    async def main():
        first = await read_pipe(reading)
        second = Recorder()
        first.transport.set_protocol(second)
        writing.write(b"for the second")
        assert await second.received(14) == b"for the second"
        writing.close()
        await second.lost
        assert first.calls == ["made"]

    run(main)


def test_a_stream_reader(run, pipe):
    reading, writing = pipe

    async def main():
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), reading)
        writing.write(b"a line\nrest")
        assert await reader.readline() == b"a line\n"
        writing.close()
        assert await reader.read() == b"rest"
        transport.close()

    run(main)


def test_reading_a_socket(run):
    near, far = socket.socketpair()

    async def main():
        reader = await read_pipe(near)
        far.send(b"data")
        assert await reader.received(4) == b"data"
        far.close()
        assert await reader.lost is None
        assert reader.calls == ["made", "data", "eof", "lost"]

    with near, far:
        run(main)
        assert near.fileno() == -1


# Writing


def test_writing_a_pipe(run, pipe):
    reading, writing = pipe

    async def main():
        writer = await write_pipe(writing)
        transport = writer.transport
        assert isinstance(transport, asyncio.WriteTransport)
        assert transport.get_extra_info("pipe") is writing
        assert transport.get_protocol() is writer
        for data in (b"bytes ", bytearray(b"bytearray "), memoryview(b"memoryview"), b""):
            transport.write(data)
        transport.writelines([b" and", b" lines"])
        expected = b"bytes bytearray memoryview and lines"
        assert await read_all(reading.fileno(), len(expected)) == expected
        transport.close()
        assert await writer.lost is None
        assert writer.calls == ["made", "lost"]
        assert reading.read() == b""

    run(main)
    assert writing.closed


@pytest.mark.parametrize("end", ["close", "write_eof"])
def test_the_end_comes_after_what_is_buffered(run, pipe, end):
    reading, writing = pipe
    data = random.Random(7).randbytes(1_000_000)

    async def main():
        writer = await write_pipe(writing)
        assert writer.transport.can_write_eof()
        writer.transport.write(data)
        assert writer.transport.get_write_buffer_size() > 0
        getattr(writer.transport, end)()
        assert writer.transport.is_closing()
        writer.transport.write(b"dropped")
        received = await read_all(reading.fileno(), len(data))
        assert await writer.lost is None
        assert received == data
        assert reading.read() == b""

    run(main)


def test_a_full_pipe_pauses_and_an_empty_one_resumes(run, pipe):
    reading, writing = pipe

    async def main():
        writer = await write_pipe(writing)
        writer.transport.set_write_buffer_limits(high=1000, low=100)
        assert writer.transport.get_write_buffer_limits() == (100, 1000)
        writer.transport.write(bytes(1_000_000))
        assert writer.calls == ["made", "pause"]
        await read_all(reading.fileno(), 1_000_000)
        await until(lambda: writer.calls == ["made", "pause", "resume"])
        assert writer.transport.get_write_buffer_size() == 0
        writer.transport.close()
        await writer.lost

    run(main)


def test_abort_drops_what_is_buffered(run, pipe):
    reading, writing = pipe

    async def main():
        writer = await write_pipe(writing)
        writer.transport.write(bytes(1_000_000))
        writer.transport.abort()
        assert writer.transport.get_write_buffer_size() == 0
        assert await writer.lost is None
        assert 0 < len(reading.read()) < 1_000_000

    run(main)


def test_a_reader_that_goes_ends_the_transport(run, pipe):
    reading, writing = pipe

    async def main():
        writer = await write_pipe(writing)
        reading.close()
        assert await writer.lost is None

    run(main)


def test_a_reader_that_goes_while_data_waits_is_a_broken_pipe(run, pipe):
    reading, writing = pipe

    async def main():
        writer = await write_pipe(writing)
        writer.transport.write(bytes(1_000_000))
        reading.close()
        assert isinstance(await writer.lost, BrokenPipeError)
        for _ in range(10):
            writer.transport.write(b"dropped")

    run(main)


def test_writing_to_a_reader_that_is_gone_is_a_broken_pipe(run, pipe):
    reading, writing = pipe

    async def main():
        writer = await write_pipe(writing)
        reading.close()
        writer.transport.write(b"x")  # before the loop could notice
        assert isinstance(await writer.lost, BrokenPipeError)

    run(main)


def test_a_stream_writer_drains(run, pipe):
    reading, writing = pipe

    async def main():
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.streams.FlowControlMixin(loop=loop), writing
        )
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        writer.write(bytes(1_000_000))
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        await read_all(reading.fileno(), 1_000_000)
        await draining
        transport.close()
        await until(lambda: writing.closed)

    run(main)


def test_writing_a_socket(run):
    near, far = socket.socketpair()

    async def main():
        writer = await write_pipe(near)
        writer.transport.write(bytes(3_000_000))
        assert await read_all(far.fileno(), 3_000_000) == bytes(3_000_000)
        far.close()
        await writer.lost

    with near, far:
        run(main)


# Terminals


def test_a_terminal_read_and_written(run, terminal):
    master, slave = terminal

    async def main():
        reader = await read_pipe(open(os.dup(slave.fileno()), "rb", 0))
        writer = await write_pipe(open(os.dup(slave.fileno()), "wb", 0))
        os.write(master.fileno(), b"typed")
        assert await reader.received(5) == b"typed"
        writer.transport.write(b"shown")
        assert await read_all(master.fileno(), 5) == b"shown"
        writer.transport.write(bytes(200_000))
        assert await read_all(master.fileno(), 200_000) == bytes(200_000)
        for end in (reader, writer):
            end.transport.close()
            assert await end.lost is None

    run(main)


def test_one_descriptor_of_a_terminal_for_both_directions(run, terminal):
    """The writer must not take what is typed for its reader's going away."""
    master, slave = terminal

    async def main():
        reader = await read_pipe(slave)
        writer = await write_pipe(open(os.dup(slave.fileno()), "wb", 0))
        for number in range(10):
            line = str(number).encode() * 100
            os.write(master.fileno(), line)
            await until(lambda line=line: bytes(reader.data) == line)
            reader.data.clear()
            writer.transport.write(line)
            assert await read_all(master.fileno(), len(line)) == line
        assert writer.calls == ["made"]
        for end in (reader, writer):
            end.transport.close()
            await end.lost

    run(main)


def test_a_terminal_that_is_hung_up(run, terminal):
    """The other side's close is EIO to whoever reads the master: an end like others, not reported."""
    master, slave = terminal

    async def main():
        reader = await read_pipe(open(os.dup(master.fileno()), "rb", 0))
        os.write(slave.fileno(), b"last words")
        await reader.received(10)
        slave.close()
        assert isinstance(await asyncio.wait_for(reader.lost, PATIENCE), OSError)
        assert reader.data == b"last words"

    run(main)


# What is refused, and what is left


def test_a_regular_file_is_refused(run):
    async def main():
        with tempfile.TemporaryFile() as file:
            with pytest.raises(ValueError, match=r"Pipe transport is for pipes/sockets only\."):
                await read_pipe(file)
            message = "Pipe transport is only for pipes, sockets and character devices"
            with pytest.raises(ValueError, match=message):
                await write_pipe(file)
            assert not file.closed

    run(main)


def test_a_factory_that_fails_leaves_the_pipe(run, pipe):
    def fail():
        raise KeyError("factory")

    async def main():
        for end, connect in zip(pipe, (read_pipe, write_pipe), strict=True):
            with pytest.raises(KeyError):
                await connect(end, fail)
            assert not end.closed

    run(main)


def test_a_cancelled_connect_closes_the_pipe(run, pipe):
    async def main():
        for end, connect in zip(pipe, (read_pipe, write_pipe), strict=True):
            connecting = asyncio.create_task(connect(end))
            await asyncio.sleep(0)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            await until(lambda end=end: end.closed)

    run(main)


def test_errors_of_a_protocol_are_reported(loop, pipe):
    reading, writing = pipe
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context["exception"]))

    class Failing(Recorder):
        def data_received(self, data):
            super().data_received(data)
            raise KeyError(data)

    async def main():
        reader = await read_pipe(reading, Failing)
        for byte in (b"a", b"b"):
            writing.write(byte)
            await until(lambda byte=byte: reader.data.endswith(byte))
        writing.close()
        await reader.lost

    loop.run_until_complete(main())
    assert [error.args for error in contexts] == [(b"a",), (b"b",)]


def test_unclosed_transports_warn_when_they_go(loop_factory, pipe):
    loop = loop_factory()

    async def main():
        await read_pipe(pipe[0])
        await write_pipe(pipe[1])

    loop.run_until_complete(main())
    loop.run_until_complete(asyncio.sleep(0))
    with pytest.warns(ResourceWarning, match="unclosed transport") as caught:
        loop.close()
        del loop
        gc.collect()
    assert len(caught) == 2
    assert pipe[0].closed
    assert pipe[1].closed


def test_repr_tells_the_state(run, pipe):
    async def main():
        reader, writer = await read_pipe(pipe[0]), await write_pipe(pipe[1])
        numbers = [end.fileno() for end in pipe]
        for end, number in zip((reader, writer), numbers, strict=True):
            assert f"fd={number}" in repr(end.transport)
            end.transport.close()
            assert "closing" in repr(end.transport)
            await end.lost
            assert "closed" in repr(end.transport)

    run(main)


def test_many_pipes_at_once(run):
    async def main():
        async def talk(number):
            reading, writing = os.pipe()
            reader, writer = await asyncio.gather(
                read_pipe(open(reading, "rb", 0)), write_pipe(open(writing, "wb", 0))
            )
            data = bytes([number]) * 200_000
            writer.transport.write(data)
            writer.transport.write_eof()
            assert await reader.lost is None
            assert reader.data == data
            assert await writer.lost is None

        await asyncio.gather(*(talk(number) for number in range(50)))

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before
