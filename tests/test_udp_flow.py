"""Datagrams that wait: for the kernel on the way out, for a protocol that pauses on the way in."""

import asyncio
import os
import socket
import sys

import pytest
from datagrams import (
    HEADER,
    SENDS_EMPTY,
    Recorder,
    drain,
    endpoint,
    fill,
    name_of,
    plain_socket,
    reluctant,
    socket_directory,
)
from support import until


@pytest.fixture
def counts_headers(loop_name):
    if loop_name == "asyncio" and sys.version_info[:2] == (3, 13):
        pytest.skip("asyncio of Python 3.13 adds a header's size to what waits, and never takes it off")


@pytest.fixture
def sends_empty():
    if not SENDS_EMPTY:
        pytest.skip("before Python 3.13 an empty datagram is not sent")


def test_what_the_kernel_refuses_waits_and_arrives_in_order(run, counts_headers):
    async def main():
        async with reluctant() as (near, peer):
            sent = fill(near.transport)
            assert near.transport.get_write_buffer_size() == 100 + HEADER
            assert list(near.transport._buffer) == [(sent[-1], near.transport._address)]
            for number in range(500):
                sent.append(b"more %d" % number)
                near.transport.sendto(sent[-1])
            assert await drain(peer, len(sent)) == sent
            await until(lambda: near.transport.get_write_buffer_size() == 0)
            near.transport.sendto(b"at once")
            assert near.transport.get_write_buffer_size() == 0
            assert await drain(peer, 1) == [b"at once"]
            assert near.errors == []

    run(main)


def test_raised_limits_resume_with_what_the_kernel_takes_next(run, counts_headers):
    async def main():
        async with reluctant() as (near, peer):
            near.transport.set_write_buffer_limits(high=50)
            sent = fill(near.transport)
            assert near.calls == ["made", "pause"]
            near.transport.set_write_buffer_limits(high=2000, low=1000)
            sent.append(b"more")
            near.transport.sendto(b"more")
            assert near.calls == ["made", "pause"]
            await drain(peer, len(sent))
            await until(lambda: near.calls == ["made", "pause", "resume"])
            near.transport.set_write_buffer_limits(high=1000)
            fill(near.transport)
            assert near.calls == ["made", "pause", "resume"]
            near.transport.set_write_buffer_limits(high=50)
            assert near.calls == ["made", "pause", "resume", "pause"]

    run(main)


def test_empty_datagrams_wait_too(run, counts_headers, sends_empty):
    async def main():
        async with reluctant() as (near, peer):
            sent = fill(near.transport)
            near.transport.sendto(b"")
            near.transport.sendto(b"x")
            near.transport.sendto(b"")
            assert near.transport.get_write_buffer_size() == 100 + 1 + 4 * HEADER
            assert await drain(peer, len(sent) + 3) == [*sent, b"", b"x", b""]

    run(main)


def test_what_waits_is_a_copy(run):
    async def main():
        async with reluctant() as (near, peer):
            sent = fill(near.transport)
            for kind in (bytearray, lambda data: memoryview(bytearray(data))):
                data = kind(b"before")
                near.transport.sendto(data)
                data[:] = b"after!"
            strided = memoryview(b"a_b_c_")[::2]
            near.transport.sendto(strided)
            assert await drain(peer, len(sent) + 3) == [*sent, b"before", b"before", b"abc"]

    run(main)


def test_a_protocol_is_told_to_pause_and_to_resume(run, counts_headers):
    async def main():
        async with reluctant() as (near, peer):
            near.transport.set_write_buffer_limits(high=400 + 4 * HEADER, low=100 + HEADER)
            sent = fill(near.transport)
            for _ in range(3):
                near.transport.sendto(bytes(100))
            assert near.calls == ["made"]
            near.transport.sendto(b"x")
            assert near.calls == ["made", "pause"]
            assert near.transport._protocol_paused
            near.transport.sendto(b"x")
            await drain(peer, len(sent) + 5)
            await until(lambda: near.calls[1:] == ["pause", "resume"])
            assert not near.transport._protocol_paused

    run(main)


def test_limits(run):
    async def main():
        async with reluctant() as (near, _):
            transport = near.transport
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            transport.set_write_buffer_limits(low=10)
            assert transport.get_write_buffer_limits() == (10, 40)
            transport.set_write_buffer_limits(high=100)
            assert transport.get_write_buffer_limits() == (25, 100)
            with pytest.raises(ValueError, match="must be >= low"):
                transport.set_write_buffer_limits(high=1, low=2)
            with pytest.raises(ValueError):
                transport.set_write_buffer_limits(high=-1)
            transport.set_write_buffer_limits()
            fill(transport)
            assert near.calls == ["made"]
            transport.set_write_buffer_limits(high=0)
            assert near.calls == ["made", "pause"]

    run(main)


def test_close_sends_what_waits_first(run):
    async def main():
        async with reluctant() as (near, peer):
            sent = fill(near.transport)
            sent.append(b"last")
            near.transport.sendto(b"last")
            near.transport.close()
            assert near.transport.is_closing()
            near.transport.sendto(b"after close")
            assert near.calls == ["made"]
            assert await drain(peer, len(sent) + 1) == [*sent, b"after close"]
            assert await near.lost is None
            assert near.calls == ["made", "lost"]

    run(main)


def test_abort_drops_what_waits(run):
    async def main():
        async with reluctant() as (near, peer):
            sent = fill(near.transport)
            near.transport.abort()
            near.transport.abort()
            assert list(near.transport._buffer) == []
            assert near.calls == ["made"]
            assert await near.lost is None
            peer.setblocking(False)
            assert await drain(peer, len(sent) - 1) == sent[:-1]
            with pytest.raises(BlockingIOError):
                peer.recv(1)

    run(main)


def test_an_error_meets_one_of_those_that_wait(run):
    """The peer goes: each datagram that waits is refused, and each refusal is told."""

    async def main():
        async with reluctant() as (near, peer):
            fill(near.transport)
            near.transport.sendto(b"x")
            near.transport.close()
            peer.close()
            assert await near.lost is None
            assert isinstance(near.errors[0], ConnectionRefusedError)
            assert near.calls == ["made", "error", "error", "lost"]

    run(main)


def test_pause_and_resume_writing_that_fail_are_reported(loop):
    contexts = []

    class Failing(Recorder):
        def pause_writing(self):
            raise ValueError("pause")

    async def main():
        loop.set_exception_handler(lambda _, context: contexts.append(context))
        async with reluctant(Failing) as (near, _):
            near.transport.set_write_buffer_limits(high=0)
            fill(near.transport)
            assert contexts[0]["message"] == "protocol.pause_writing() failed"
            assert contexts[0]["transport"] is near.transport

    loop.run_until_complete(main())
    assert len(contexts) == 1


def test_many_datagrams_arrive_in_order(run):
    async def main():
        with socket_directory() as directory:
            path = str(directory / "far")
            async with (
                endpoint(family=socket.AF_UNIX, local_addr=path) as far,
                endpoint(family=socket.AF_UNIX, remote_addr=path) as near,
            ):
                sent = [b"%d " % number + os.urandom(number % 300) for number in range(5_000)]
                for number, data in enumerate(sent):
                    near.transport.sendto(data)
                    if number % 500 == 0:
                        await asyncio.sleep(0)
                assert await far.datagrams(len(sent)) == sent

    run(main)


def waiting_for(address, count):
    """Let the kernel hold datagrams for a socket."""
    with plain_socket() as peer:
        for number in range(count):
            peer.sendto(b"%d" % number, address)
    return [b"%d" % number for number in range(count)]


def test_a_backlog_arrives_in_order(run):
    async def main():
        async with endpoint() as near:
            sent = waiting_for(name_of(near), 100)
            assert await near.datagrams(100) == sent

    run(main)


def test_pausing_stops_at_once(run):
    class Pausing(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.pause_reading()

    async def main():
        async with endpoint(Pausing) as near:
            sent = waiting_for(name_of(near), 10)
            for number in range(10):
                assert await near.datagrams(number + 1) == sent[: number + 1]
                assert not near.transport.is_reading()
                await asyncio.sleep(0.001)
                assert len(near.received) == number + 1
                near.transport.resume_reading()
                near.transport.resume_reading()
                assert near.transport.is_reading()

    run(main)


@pytest.mark.parametrize("end", ["close", "abort"])
def test_closing_stops_at_once(run, end):
    class Closing(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            getattr(self.transport, end)()

    async def main():
        async with endpoint(Closing) as near:
            waiting_for(name_of(near), 10)
            await near.lost
            assert near.calls == ["made", "datagram", "lost"]

    run(main)


def test_pause_before_the_first_datagram(run):
    class Paused(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    async def main():
        async with endpoint(Paused) as near:
            sent = waiting_for(name_of(near), 3)
            await asyncio.sleep(0.01)
            assert near.received == []
            near.transport.resume_reading()
            assert await near.datagrams(3) == sent

    run(main)


def test_a_flood_does_not_starve_the_loop(run):
    """Each datagram brings another, for ever: callbacks still get their turns."""

    class Juggler(Recorder):
        def datagram_received(self, data, addr):
            self.transport.sendto(data, addr)

    async def main():
        async with endpoint(Juggler) as near:
            own = name_of(near)
            for _ in range(50):
                near.transport.sendto(b"x", own)
            for _ in range(1_000):
                await asyncio.sleep(0)

    run(main)


def test_an_error_in_sendto_may_close(run):
    class Closing(Recorder):
        def error_received(self, exc):
            super().error_received(exc)
            self.transport.close()

    async def main():
        with plain_socket() as peer:
            async with endpoint(Closing, remote_addr=peer.getsockname()) as near:
                near.transport.sendto(bytes(70_000))
                assert near.transport.is_closing()
                await near.lost
                assert near.calls == ["made", "error", "lost"]

    run(main)
