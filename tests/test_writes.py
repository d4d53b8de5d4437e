"""What is written is the kernel's when ``write`` returns; one that fails says so, with its own error."""

import asyncio
import os
import socket
import struct

import pytest
from support import PATIENCE, Recorder, until

KINDS = (bytes, bytearray, memoryview)


def reset(peer):
    """End a connection so that the other side gets a reset."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


async def reset_streams(server):
    """A stream's two ends, of a connection that the peer has reset; the loop has not seen it yet."""
    reader, writer = await asyncio.open_connection(*server.getsockname())
    peer, _ = server.accept()
    reset(peer)
    return reader, writer


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def tcp_pair(server):
    """Both ends of a TCP connection; ours does not block."""
    ours = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    ours.setblocking(False)
    peer.settimeout(PATIENCE)
    with ours, peer:
        yield ours, peer


@pytest.mark.parametrize("kind", KINDS)
def test_drain_tells_of_a_dead_connection(run, server, kind):
    async def main():
        reader, writer = await reset_streams(server)
        with pytest.raises(ConnectionResetError):
            # The write fails, and this very drain knows.
            writer.write(kind(b"message"))
            await writer.drain()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    run(main)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_write_closes_at_once_and_its_own_error_is_the_reason(run, server, kind):
    async def main():
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(Recorder, *server.getsockname())
        peer, _ = server.accept()
        reset(peer)
        transport.write(kind(b"x"))
        assert transport.is_closing()
        assert not transport.is_reading()
        transport.write(b"dropped")
        assert isinstance(await protocol.lost, ConnectionResetError)

    run(main)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_reader_raises_after_a_failed_write(run, server, kind):
    async def main():
        reader, writer = await reset_streams(server)
        writer.write(kind(b"x"))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    run(main)


def test_an_end_of_file_that_is_refused_leaves_the_reason_to_the_reader(run, server):
    """The call raises what the kernel says of the shutdown; the reader hears of the reset itself."""

    async def main():
        reader, writer = await reset_streams(server)
        with pytest.raises(OSError):
            writer.write_eof()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    run(main)


def test_connections_are_written_in_the_order_of_the_writes(run):
    async def main():
        loop = asyncio.get_running_loop()
        order = []
        pairs = [socket.socketpair() for _ in range(4)]
        writers = [(await asyncio.open_connection(sock=ours))[1] for ours, _ in pairs]
        for number, (_, peer) in enumerate(pairs):
            peer.setblocking(False)
            loop.add_reader(peer, lambda peer=peer, number=number: (peer.recv(10), order.append(number)))
        for writer in writers:
            writer.write(b"x")
        await until(lambda: len(order) == len(pairs))
        assert order == sorted(order)
        for writer, (_, peer) in zip(writers, pairs, strict=True):
            loop.remove_reader(peer)
            writer.close()
            peer.close()

    run(main)


@pytest.mark.parametrize("before", [1, 2, 5])
@pytest.mark.parametrize("drains", [False, True])
def test_a_write_has_left_though_its_writer_goes_on_working(run, tcp_pair, before, drains):
    """Also where earlier callbacks have written several times, and more might follow."""
    ours, peer = tcp_pair

    async def main():
        _, writer = await asyncio.open_connection(sock=ours)
        for _ in range(3):
            for _ in range(before):
                writer.write(b"before")
            await asyncio.sleep(0)
            await asyncio.to_thread(receive_exactly, peer, 6 * before)
        writer.write(b"progress")
        if drains:
            await writer.drain()
        # Our own thread does not come back to the loop before the peer has the bytes.
        assert receive_exactly(peer, 8) == b"progress"
        writer.close()

    run(main)


def receive_exactly(peer, size):
    got = b""
    while len(got) < size:
        data = peer.recv(size - len(got))
        assert data, "ended early"
        got += data
    return got


def test_the_socket_itself_may_be_written_behind_the_transport(run):
    """What goes through the transport first arrives first."""

    async def main():
        ours, peer = socket.socketpair()
        peer.settimeout(PATIENCE)
        _, writer = await asyncio.open_connection(sock=ours)
        for _ in range(2):
            writer.write(b"one ")
            writer.write(b"two ")
            os.write(writer.get_extra_info("socket").fileno(), b"three ")
            await asyncio.sleep(0)
        writer.close()
        assert receive_exactly(peer, 28) == b"one two three " * 2
        peer.close()

    run(main)


ENDS = {
    "exit": "os._exit(0)",
    "exec": "os.execv('/bin/true', ['true'])",
    "kill": "os.kill(os.getpid(), 9)",
}
PROGRAM = """
import asyncio, os, socket, sys
async def main():
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=int(sys.argv[1])))
    for _ in range(2):
        writer.write(b"head ")
        writer.write(b"body ")
        await asyncio.sleep(0)
    writer.write(b"head ")
    END
asyncio.run(main())
"""


@pytest.mark.parametrize("end", ENDS)
def test_what_was_written_survives_its_process(python, tcp_pair, tmp_path, end):
    ours, peer = tcp_pair
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("END", ENDS[end]))
    fd = ours.detach()
    pid = os.posix_spawn(
        python[0], [*python, str(program), str(fd)], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, fd, fd)]
    )
    os.close(fd)
    try:
        got = b""
        while data := peer.recv(100):
            got += data
    finally:
        os.waitpid(pid, 0)
    assert got == b"head body " * 2 + b"head "


def data_segments_sent(sock):
    """``tcpi_data_segs_out`` of Linux's ``struct tcp_info``."""
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160), 156)[0]


def test_bursts_of_all_lengths_arrive(run, tcp_pair):
    ours, peer = tcp_pair

    async def main():
        transport, _ = await asyncio.get_running_loop().create_connection(Recorder, sock=ours)
        for count in (2, 2, 3, 1, 2, 5, 1, 1, 2):
            for _ in range(count):
                transport.write(b"part")
            assert transport.get_write_buffer_size() == 0
            await asyncio.sleep(0)
            assert await asyncio.to_thread(receive_exactly, peer, 4 * count) == b"part" * count
        transport.close()

    run(main)


def test_a_head_and_a_body_are_one_segment_once_the_connection_is_known(run, loop_name, tcp_pair):
    """asyncio makes two of them. (An acknowledgement that comes between the two lets the head go alone.)"""
    ours, peer = tcp_pair
    bursts = 100

    async def main():
        transport, _ = await asyncio.get_running_loop().create_connection(Recorder, sock=ours)
        for _ in range(bursts):
            transport.write(b"head")
            transport.write(b"body")
            await asyncio.sleep(0)
            assert await asyncio.to_thread(receive_exactly, peer, 8) == b"headbody"
        if loop_name == "ironloop":
            assert data_segments_sent(ours) < 1.8 * bursts
        transport.close()

    run(main)
