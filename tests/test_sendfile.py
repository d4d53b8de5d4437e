"""loop.sendfile and loop.sock_sendfile: files to sockets, by the system call or by hand."""

import asyncio
import io
import random
import socket
import sys

import pytest
from support import (
    HOST,
    PATIENCE,
    Echo,
    Recorder,
    connected,
    connected_to_socket,
    open_descriptors,
    reset,
    serving,
)

# More than the buffers of a loopback connection take without a reader.
DATA = random.Random(8).randbytes(10_000_000)
SMALL = DATA[:100_000]


@pytest.fixture(scope="module")
def large_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("sendfile") / "large"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def large(large_path):
    with open(large_path, "rb") as file:
        yield file


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small").write_bytes(SMALL)
    with open(tmp_path / "small", "rb") as file:
        yield file


async def sendfile(transport, *arguments, **options):
    sending = asyncio.get_running_loop().sendfile(transport, *arguments, **options)
    return await asyncio.wait_for(sending, PATIENCE)


def system_call(used):
    """Arguments that ask for the system call, or for a file without a descriptor, which cannot take it."""
    return pytest.mark.parametrize(
        ("kind", "options"),
        [
            pytest.param(lambda file: file, {"fallback": False}, id="system call"),
            pytest.param(lambda file: io.BytesIO(file.read()), {}, id="by hand"),
        ],
    )(used)


# Transports


def skip_overwritten(loop_name, options):
    if loop_name == "asyncio" and not options and sys.version_info >= (3, 12):
        pytest.skip("asyncio reads into what it has not sent yet, if the peer is slow")


@system_call
def test_a_whole_file(run, large, kind, options, loop_name):
    skip_overwritten(loop_name, options)

    async def main():
        file = kind(large)
        file.seek(0)
        async with connected() as (near, far):
            assert await sendfile(near.transport, file, **options) == len(DATA)
            assert await far.received(len(DATA)) == DATA
            assert file.tell() == len(DATA)

    run(main)


@system_call
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((1000,), SMALL[1000:]),
        ((1000, 5000), SMALL[1000:6000]),
        ((0, len(SMALL) + 1), SMALL),
        ((99_999, None), SMALL[99_999:]),
        ((len(SMALL),), b""),
    ],
)
def test_a_part(run, small, kind, options, arguments, expected):
    async def main():
        file = kind(small)
        async with connected() as (near, far):
            assert await sendfile(near.transport, file, *arguments, **options) == len(expected)
            near.transport.write(b"end")
            assert await far.received(len(expected) + 3) == expected + b"end"
            assert not expected or file.tell() == arguments[0] + len(expected)

    run(main)


@system_call
def test_what_is_written_before_and_after_keeps_its_order(run, large, kind, options, loop_name):
    skip_overwritten(loop_name, options)

    async def main():
        async with connected() as (near, far):
            near.transport.write(bytes(20_000_000))
            assert near.transport.get_write_buffer_size() > 0
            assert await sendfile(near.transport, kind(large), **options) == len(DATA)
            near.transport.write(b"after")
            await far.received(20_000_000 + len(DATA) + 5)
            assert not any(far.data[:20_000_000])
            assert far.data[20_000_000:] == DATA + b"after"

    run(main)


def test_what_is_written_meanwhile_is_refused(run, large):
    async def main():
        async with connected() as (near, far):
            far.transport.pause_reading()
            sending = asyncio.create_task(sendfile(near.transport, large))
            await asyncio.sleep(0.01)
            assert not sending.done()
            for write in (near.transport.write, lambda data: near.transport.writelines([data])):
                with pytest.raises(RuntimeError, match="unable to write"):
                    write(b"x")
            far.transport.resume_reading()
            assert await sending == len(DATA)
            assert await far.received(len(DATA)) == DATA
            near.transport.write(b"x")
            await far.received(len(DATA) + 1)

    run(main)


@system_call
def test_reading_goes_on_afterwards(run, large, kind, options):
    async def main():
        async with connected() as (near, far):
            sending = asyncio.create_task(sendfile(near.transport, kind(large), **options))
            await asyncio.sleep(0)
            far.transport.write(b"answer")
            assert await sending == len(DATA)
            assert near.transport.is_reading()
            assert await near.received(6) == b"answer"
            assert near.transport.get_protocol() is near

    run(main)


def test_a_transport_that_was_paused_stays_paused(run, small):
    async def main():
        async with connected() as (near, far):
            near.transport.pause_reading()
            far.transport.write(b"data")
            await sendfile(near.transport, small)
            await far.received(len(SMALL))
            assert not near.transport.is_reading()
            assert near.data == b""
            near.transport.resume_reading()
            await near.received(4)

    run(main)


def test_one_file_after_another(run, small):
    async def main():
        async with connected() as (near, far):
            for number in range(20):
                near.transport.write(bytes([number]))
                assert await sendfile(near.transport, small) == len(SMALL)
            got = await far.received(20 * (len(SMALL) + 1))
            assert got == b"".join(bytes([number]) + SMALL for number in range(20))

    run(main)


def test_an_abort_ends_it(run, large):
    """By hand; asyncio does not see that in the midst of the system call."""

    async def main():
        async with connected() as (near, far):
            far.transport.pause_reading()
            sending = asyncio.create_task(sendfile(near.transport, io.BytesIO(large.read())))
            await asyncio.sleep(0.01)
            assert not sending.done()
            near.transport.abort()
            with pytest.raises(ConnectionError):
                await sending
            assert await near.lost is None

    run(main)


@system_call
def test_a_peer_that_goes_away(run, large, kind, options):
    async def main():
        async with connected_to_socket() as (near, peer):
            sending = asyncio.create_task(sendfile(near.transport, kind(large), **options))
            await asyncio.sleep(0.01)
            assert not sending.done()
            reset(peer)
            with pytest.raises(ConnectionError):
                await sending
            near.transport.close()
            await near.lost

    run(main)


@system_call
def test_cancel(run, loop_name, large, kind, options):
    """By hand asyncio's transport keeps a view of the buffer into which the file is being read still."""

    async def main():
        loop = asyncio.get_running_loop()
        async with connected_to_socket() as (near, peer):
            sending = asyncio.create_task(sendfile(near.transport, kind(large), **options))
            await asyncio.sleep(0.01)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert near.transport.get_protocol() is near
            near.transport.write(b"after")
            near.transport.close()
            peer.setblocking(False)
            got = bytearray()
            while data := await loop.sock_recv(peer, 1_000_000):
                got += data
            assert got.endswith(b"after")
            if loop_name == "ironloop" or not isinstance(kind(large), io.BytesIO):
                assert DATA.startswith(got.removesuffix(b"after"))

    run(main)


def test_tls_falls_back(run, large, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            _, client = await asyncio.get_running_loop().create_connection(
                Recorder, *address, ssl=client_tls, server_hostname="localhost"
            )
            client.transport.write(b"before")
            assert await sendfile(client.transport, large) == len(DATA)
            client.transport.write(b"after")
            assert await client.received(len(DATA) + 11) == b"before" + DATA + b"after"
            large.seek(0)
            with pytest.raises(RuntimeError, match="fallback is disabled"):
                await sendfile(client.transport, large, fallback=False)
            client.transport.close()
            await client.lost

    run(main)


def test_a_file_without_a_descriptor_without_fallback(run):
    async def main():
        async with connected() as (near, far):
            with pytest.raises(asyncio.SendfileNotAvailableError):
                await sendfile(near.transport, io.BytesIO(b"data"), fallback=False)
            near.transport.write(b"it lives")
            await far.received(8)

    run(main)


def test_arguments_are_checked(run, small):
    class Unknown(asyncio.Transport):
        def is_closing(self):
            return False

    async def main():
        loop = asyncio.get_running_loop()
        async with connected() as (near, _):
            sock = near.transport.get_extra_info("socket")
            for arguments, error in (
                ((0, 0), ValueError),
                ((0, -1), ValueError),
                ((-1,), ValueError),
                ((0, "x"), TypeError),
                (("x",), TypeError),
            ):
                with pytest.raises(error):
                    await loop.sock_sendfile(sock, small, *arguments)
            with open(small.name) as text, pytest.raises(ValueError, match="binary mode"):
                await loop.sock_sendfile(sock, text)
            near.transport.close()
            with pytest.raises(RuntimeError, match="Transport is closing"):
                await sendfile(near.transport, small)
            with pytest.raises(RuntimeError, match="sendfile is not supported for transport"):
                await sendfile(Unknown(), small)

    run(main)


# Sockets


async def receive(sock, size):
    got = bytearray()
    while len(got) < size and (data := await asyncio.get_running_loop().sock_recv(sock, 1_000_000)):
        got += data
    return got


@system_call
def test_a_whole_file_to_a_socket(run, large, pair, kind, options):
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        file = kind(large)
        file.seek(0)
        sending = asyncio.create_task(loop.sock_sendfile(near, file, **options))
        assert await receive(far, len(DATA)) == DATA
        assert await sending == len(DATA)
        assert file.tell() == len(DATA)
        assert not loop.remove_writer(near)

    run(main)


@system_call
def test_a_part_to_a_socket(run, small, pair, kind, options):
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        file = kind(small)
        assert await loop.sock_sendfile(near, file, 1000, 5000, **options) == 5000
        assert await receive(far, 5000) == SMALL[1000:6000]
        assert file.tell() == 6000

    run(main)


def test_between_other_operations_of_the_socket(run, small, pair):
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(10):
            await loop.sock_sendall(near, b"before")
            assert await loop.sock_sendfile(near, small) == len(SMALL)
            await loop.sock_sendall(near, b"after")
            assert await receive(far, len(SMALL) + 11) == b"before" + SMALL + b"after"

    run(main)


@system_call
def test_cancel_of_a_socket(run, large, pair, kind, options):
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        sending = asyncio.create_task(loop.sock_sendfile(near, kind(large), **options))
        await asyncio.sleep(0.01)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not loop.remove_writer(near)
        near.shutdown(socket.SHUT_WR)
        assert DATA.startswith(await receive(far, len(DATA)))

    run(main)


@system_call
def test_a_socket_whose_peer_goes_away(run, large, pair, kind, options):
    near, far = pair

    async def main():
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendfile(near, kind(large), **options))
        await asyncio.sleep(0.01)
        reset(far)
        with pytest.raises(ConnectionError):
            await sending

    run(main)


def test_nothing_is_left_of_many(run, small):
    async def main():
        loop = asyncio.get_running_loop()
        listener = socket.create_server((HOST, 0))
        with listener:
            for _ in range(30):
                _, client = await loop.create_connection(Recorder, *listener.getsockname())
                with listener.accept()[0]:
                    await sendfile(client.transport, small, 0, 100)
                    client.transport.abort()
                    await client.lost

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before
