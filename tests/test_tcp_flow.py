"""Flow control: the write buffer's limits, and a peer that does not read."""

import asyncio
import contextlib
import socket

import pytest
from support import Recorder, connected, connected_to_socket, until


class Limited(Recorder):
    """Small limits, so that a test can fill them."""

    def connection_made(self, transport):
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=1000, low=100)


def test_the_limits(run):
    async def main():
        async with connected() as (near, _):
            transport = near.transport
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            transport.set_write_buffer_limits(high=1000)
            assert transport.get_write_buffer_limits() == (250, 1000)
            transport.set_write_buffer_limits(low=1000)
            assert transport.get_write_buffer_limits() == (1000, 4000)
            transport.set_write_buffer_limits(high=5, low=5)
            assert transport.get_write_buffer_limits() == (5, 5)
            transport.set_write_buffer_limits(high=0)
            assert transport.get_write_buffer_limits() == (0, 0)
            transport.set_write_buffer_limits()
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            for bad in ({"high": 1, "low": 2}, {"low": -1}, {"high": -1}):
                with pytest.raises(ValueError, match="must be >="):
                    transport.set_write_buffer_limits(**bad)

    run(main)


def test_raised_limits_resume_with_what_the_kernel_takes_next(run):
    async def main():
        async with connected(client=Limited) as (near, far):
            far.transport.pause_reading()
            near.transport.write(bytes(10_000_000))
            near.transport.set_write_buffer_limits(high=100_000_000, low=50_000_000)
            near.transport.write(b"more")
            assert near.calls == ["made", "pause"]
            far.transport.resume_reading()
            await until(lambda: near.calls == ["made", "pause", "resume"])
            near.transport.set_write_buffer_limits(high=0)
            assert near.calls[-1] == ("pause" if near.transport.get_write_buffer_size() else "resume")

    run(main)


def test_a_full_buffer_pauses_at_once_and_an_empty_one_resumes(run):
    async def main():
        size = 10_000_000
        async with connected(client=Limited) as (near, far):
            far.transport.pause_reading()
            near.transport.write(bytes(size))
            assert near.calls == ["made", "pause"]
            assert near.transport.get_write_buffer_size() > 1000
            await asyncio.sleep(0.02)
            near.transport.write(b"more")
            assert near.calls == ["made", "pause"]
            far.transport.resume_reading()
            await until(lambda: near.calls == ["made", "pause", "resume"])
            assert near.transport.get_write_buffer_size() <= 100
            await far.received(size + 4)

    run(main)


def test_small_writes_pause_once_they_add_up(run):
    async def main():
        async with connected_to_socket(Limited) as (near, peer):
            written = 0
            while "pause" not in near.calls:
                near.transport.write(bytes(500))
                written += 500
                assert written < 100_000_000
            assert near.transport.get_write_buffer_size() > 1000
            got = 0
            peer.setblocking(False)
            while got < written:
                got += len(await asyncio.get_running_loop().sock_recv(peer, 1_000_000))
            await until(lambda: "resume" in near.calls)
            assert near.calls == ["made", "pause", "resume"]
            assert near.transport.get_write_buffer_size() == 0

    run(main)


def test_a_peer_that_never_reads_is_aborted(run):
    async def main():
        async with connected_to_socket(Limited) as (near, _):
            near.transport.write(bytes(20_000_000))
            near.transport.close()
            await asyncio.sleep(0.02)
            assert near.calls == ["made", "pause"]
            near.transport.abort()
            assert await near.lost is None

    run(main)


def test_drain_waits_for_a_peer_that_reads_slowly(run):
    async def main():
        finished = asyncio.Event()
        chunk, count = bytes(100_000), 200

        async def slow_reader(reader, writer):
            total = 0
            while data := await reader.read(50_000):
                total += len(data)
                await asyncio.sleep(0)
            writer.write(str(total).encode())
            writer.close()
            await writer.wait_closed()
            finished.set()

        server = await asyncio.start_server(slow_reader, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            largest = 0
            for _ in range(count):
                writer.write(chunk)
                await writer.drain()
                largest = max(largest, writer.transport.get_write_buffer_size())
            writer.write_eof()
            assert await reader.read() == str(len(chunk) * count).encode()
            writer.close()
            await writer.wait_closed()
            await finished.wait()
        assert largest <= 64 * 1024  # drain returned only when there was room

    run(main)


def test_drain_waits_for_ever_on_a_peer_that_never_reads(run):
    async def main():
        hold = asyncio.Event()

        async def never_reads(reader, writer):
            await hold.wait()
            writer.transport.abort()

        server = await asyncio.start_server(never_reads, "127.0.0.1", 0, limit=1)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(bytes(20_000_000))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(writer.drain(), 0.05)
            hold.set()
            with pytest.raises(ConnectionError):
                await writer.drain()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    run(main)


def test_pausing_errors_are_reported_and_the_transport_lives(loop):
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))

    class Failing(Limited):
        def pause_writing(self):
            super().pause_writing()
            raise KeyError("pause")

        def resume_writing(self):
            super().resume_writing()
            raise KeyError("resume")

    async def main():
        async with connected(client=Failing) as (near, far):
            near.transport.write(bytes(10_000_000))
            assert len(await far.received(10_000_000)) == 10_000_000
            await until(lambda: "resume" in near.calls)

    loop.run_until_complete(main())
    assert [context["message"] for context in contexts] == [
        "protocol.pause_writing() failed",
        "protocol.resume_writing() failed",
    ]


def test_data_comes_before_room_to_write(run):
    """Where a socket becomes readable and writable at once, the data comes before `resume_writing`."""

    async def main():
        log = []
        paused, resumed = asyncio.Event(), asyncio.Event()

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport

            def data_received(self, data):
                log.append((data, self.transport.is_closing(), self.transport.is_reading()))

            def pause_writing(self):
                paused.set()

            def resume_writing(self):
                log.append("room")
                self.transport.pause_reading()
                resumed.set()

        left, right = socket.socketpair()
        with left:
            left.setblocking(False)
            transport, _ = await asyncio.get_running_loop().create_connection(Protocol, sock=right)
            transport.set_write_buffer_limits(high=50_000, low=40_000)
            while not paused.is_set():
                transport.write(bytes(10_000))
                await asyncio.sleep(0)
            with contextlib.suppress(BlockingIOError):
                while left.recv(1 << 20):
                    pass
            left.send(b"hello")
            await resumed.wait()
            assert log == [(b"hello", False, True), "room"]
            transport.abort()

    run(main)


def test_what_is_written_in_resume_writing_while_closing_is_sent(run):
    class Late(Limited):
        def resume_writing(self):
            super().resume_writing()
            if len(self.calls) == self.calls.index("resume") + 1:
                self.transport.write(b"a" * 70_000)
                self.transport.write(b"b")

    async def main():
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        with far:
            far.setblocking(False)
            transport, protocol = await loop.create_connection(Late, sock=near)
            transport.set_write_buffer_limits(high=100, low=0)
            written = 0
            while not transport.get_write_buffer_size():
                transport.write(bytes(50_000))
                written += 50_000
            transport.close()
            got = bytearray()
            while data := await loop.sock_recv(far, 1 << 20):
                got += data
            await protocol.lost
            assert got[written:] == b"a" * 70_000 + b"b"
            assert protocol.calls[-1] == "lost"

    run(main)


def test_what_the_kernel_refuses_of_any_buffer_goes_out_in_order(run):
    kinds = (bytes, bytearray, lambda data: memoryview(data)[1:-1])

    async def main():
        near, far = socket.socketpair()
        with far:
            far.setblocking(False)
            transport, protocol = await asyncio.get_running_loop().create_connection(Recorder, sock=near)
            written = bytearray()
            for number in range(60):
                data = kinds[number % 3](bytes([number]) * 30_011)
                transport.write(data)
                written += data
            assert transport.get_write_buffer_size()
            transport.close()
            got = bytearray()
            while data := await asyncio.get_running_loop().sock_recv(far, 1 << 20):
                got += data
            await protocol.lost
            assert got == written

    run(main)
