"""Stream readers alone: what is fed comes out, by asyncio's and, on ironloop's loop, by ironloop's own."""

import asyncio
import gc
import random
import sys
import weakref

import pytest
from support import NotingTransport


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
                # As long as it is kept the buffer is this bytearray.
                kept = reader._buffer
                taken = await reader.read(5)
                assert reader._buffer is kept
                return taken
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
        reader, transport = streams.StreamReader(limit=4), NotingTransport()
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
        reader, transport = streams.StreamReader(limit=2), NotingTransport()
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
