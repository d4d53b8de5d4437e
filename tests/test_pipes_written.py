"""connect_write_pipe: what is written to pipes and sockets, and who reads it no more."""

import asyncio
import random
import socket

import pytest
from pipe_ends import read_all, write_pipe
from support import until


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
