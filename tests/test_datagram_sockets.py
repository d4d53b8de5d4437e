"""sock_recvfrom, sock_recvfrom_into and sock_sendto on sockets of one's own."""

import asyncio
import socket

import pytest
from support import HOST


@pytest.fixture
def datagram_pair():
    """Two UDP sockets on loopback, non-blocking and not connected."""
    with socket.socket(type=socket.SOCK_DGRAM) as near, socket.socket(type=socket.SOCK_DGRAM) as far:
        for end in (near, far):
            end.bind((HOST, 0))
            end.setblocking(False)
        yield near, far


def test_datagrams_with_their_addresses(run, datagram_pair):
    near, far = datagram_pair

    async def main():
        loop = asyncio.get_running_loop()
        assert await loop.sock_sendto(near, b"at once", far.getsockname()) == 7
        assert await loop.sock_recvfrom(far, 100) == (b"at once", near.getsockname())
        waiting = asyncio.create_task(loop.sock_recvfrom(far, 100))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert await loop.sock_sendto(near, b"", far.getsockname()) == 0
        assert await waiting == (b"", near.getsockname())
        assert await loop.sock_sendto(far, b"back", near.getsockname()) == 4
        assert await loop.sock_recvfrom(near, 2) == (b"ba", far.getsockname())

    run(main)


def test_datagrams_into_a_buffer(run, datagram_pair):
    near, far = datagram_pair

    async def main():
        loop = asyncio.get_running_loop()
        buffer = bytearray(10)
        waiting = asyncio.create_task(loop.sock_recvfrom_into(far, buffer))
        await asyncio.sleep(0)
        await loop.sock_sendto(near, b"12345678", far.getsockname())
        assert await waiting == (8, near.getsockname())
        assert buffer == b"12345678" + bytes(2)
        await loop.sock_sendto(near, b"abcdef", far.getsockname())
        assert await loop.sock_recvfrom_into(far, memoryview(buffer), 3) == (3, near.getsockname())
        assert buffer == b"abc45678" + bytes(2)

    run(main)


def test_a_datagram_receive_can_be_cancelled(run, datagram_pair):
    near, far = datagram_pair

    async def main():
        loop = asyncio.get_running_loop()
        for receive in (
            lambda: loop.sock_recvfrom(far, 100),
            lambda: loop.sock_recvfrom_into(far, bytearray(100)),
        ):
            waiting = asyncio.create_task(receive())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert loop.remove_reader(far) is False
        await loop.sock_sendto(near, b"for the next", far.getsockname())
        assert await loop.sock_recvfrom(far, 100) == (b"for the next", near.getsockname())

    run(main)


def test_errors_of_datagrams_reach_the_caller(run, datagram_pair):
    near, far = datagram_pair

    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(OSError, match="Message too long"):
            await loop.sock_sendto(near, bytes(100_000), far.getsockname())
        far.close()
        for operation in (
            loop.sock_recvfrom(far, 1),
            loop.sock_recvfrom_into(far, bytearray(1)),
            loop.sock_sendto(far, b"x", near.getsockname()),
        ):
            with pytest.raises((OSError, ValueError)):
                await operation

    run(main)
