"""connect_read_pipe and connect_write_pipe: what is read, what is refused, and what is left."""

import asyncio
import gc
import os
import socket
import tempfile

import pytest
from pipe_ends import read_pipe, write_pipe
from support import Recorder, open_descriptors, until

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
