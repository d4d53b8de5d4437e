"""UNIX sockets: clients and servers by path and by abstract name, and what becomes of the socket's file."""

import asyncio
import contextlib
import errno
import os
import random
import socket
import stat
import sys
from pathlib import Path

import pytest
from support import PATIENCE, Echo, Recorder, abort, open_descriptors, until

REMOVES_FILES = sys.version_info >= (3, 13)
removes_files = pytest.mark.skipif(not REMOVES_FILES, reason="asyncio removes the file from Python 3.13 on")


@pytest.fixture
def path(tmp_path):
    """A short one: a UNIX socket's has room for 108 bytes."""
    return os.path.relpath(tmp_path / "socket")


@pytest.fixture
def abstract_name():
    return f"\0ironloop-test-{os.getpid()}-{random.getrandbits(64):x}"


@contextlib.asynccontextmanager
async def serving_unix(path, factory=Echo, **options):
    """A server on that path; yields it, and ends with its connections ended too."""
    accepted = []

    def accept():
        accepted.append(factory())
        return accepted[-1]

    server = await asyncio.get_running_loop().create_unix_server(accept, path, **options)
    try:
        yield server
    finally:
        server.close()
        for end in accepted:
            await asyncio.wait_for(end.lost, PATIENCE)
        await asyncio.wait_for(server.wait_closed(), PATIENCE)


async def echo_once(path=None, data=b"hello", **options):
    """One client, that gets its data back; returns the protocol, whose connection has ended."""
    _, client = await asyncio.get_running_loop().create_unix_connection(Recorder, path, **options)
    client.transport.write(data)
    assert await client.received(len(data)) == data
    client.transport.close()
    assert await client.lost is None
    return client


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_client_and_server_by_path(run, path, kind):
    async def main():
        async with serving_unix(kind(path)):
            assert stat.S_ISSOCK(os.stat(path).st_mode)
            client = await echo_once(kind(path))
            assert client.calls == ["made", "data", "lost"]

    run(main)


@pytest.mark.parametrize("kind", [str, os.fsencode])
def test_an_abstract_name_has_no_file(run, abstract_name, kind):
    async def main():
        async with serving_unix(kind(abstract_name)):
            await echo_once(kind(abstract_name))
        with pytest.raises(ConnectionRefusedError):
            await echo_once(abstract_name)

    run(main)


def test_streams(run, path):
    async def handler(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()
        await writer.wait_closed()

    async def main():
        async with await asyncio.start_unix_server(handler, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"a line\n")
            assert await reader.read() == b"A LINE\n"
            writer.close()
            await writer.wait_closed()

    run(main)


def test_a_large_transfer(run, path):
    data = random.Random(6).randbytes(5_000_000)

    async def main():
        async with serving_unix(path):
            await echo_once(path, data)

    run(main)


def test_half_close(run, path):
    class Answering(Recorder):
        def eof_received(self):
            super().eof_received()
            self.transport.write(bytes(self.data) * 2)
            self.transport.close()

    async def main():
        async with serving_unix(path, Answering):
            _, client = await asyncio.get_running_loop().create_unix_connection(Recorder, path)
            client.transport.write(b"question")
            client.transport.write_eof()
            await client.lost
            assert client.data == b"questionquestion"

    run(main)


def test_extra_info(run, path):
    async def main():
        made = []

        class Noting(Echo):
            def connection_made(self, transport):
                super().connection_made(transport)
                made.append(transport)

        async with serving_unix(path, Noting) as server:
            assert [sock.getsockname() for sock in server.sockets] == [path]
            transport, client = await asyncio.get_running_loop().create_unix_connection(Recorder, path)
            assert isinstance(transport, asyncio.Transport)
            assert transport.get_extra_info("peername") == path
            assert transport.get_extra_info("sockname") == ""
            sock = transport.get_extra_info("socket")
            assert isinstance(sock, asyncio.trsock.TransportSocket)
            assert sock.family == socket.AF_UNIX
            await until(lambda: made)
            assert made[0].get_extra_info("sockname") == path
            await abort(client)

    run(main)


def test_many_clients_at_once(run, path):
    async def main():
        async with serving_unix(path, backlog=200):
            await asyncio.gather(*(echo_once(path, str(number).encode()) for number in range(100)))

    run(main)


def test_sockets_of_ones_own(run, path):
    async def main():
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        async with serving_unix(None, sock=listener) as server:
            assert [sock.fileno() for sock in server.sockets] == [listener.fileno()]
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            await echo_once(sock=client)
        assert listener.fileno() == -1

    run(main)


def test_serving_starts_when_it_is_told_to(run, path):
    async def main():
        async with serving_unix(path, start_serving=False) as server:
            assert not server.is_serving()
            with pytest.raises(ConnectionRefusedError):
                await echo_once(path)
            await server.start_serving()
            await echo_once(path)

    run(main)


def test_tls(run, path, server_tls, client_tls):
    async def main():
        async with serving_unix(path, ssl=server_tls):
            await echo_once(path, bytes(300_000), ssl=client_tls, server_hostname="localhost")
            with pytest.raises(ValueError, match="you have to pass server_hostname when using ssl"):
                await echo_once(path, ssl=client_tls)

    run(main)


# The file


@removes_files
def test_close_removes_the_file(run, path):
    async def main():
        async with serving_unix(path):
            await echo_once(path)
        assert not os.path.exists(path)

    run(main)


@removes_files
def test_close_leaves_the_file_if_told_so(run, path):
    async def main():
        async with serving_unix(path, cleanup_socket=False):
            await echo_once(path)
        assert stat.S_ISSOCK(os.stat(path).st_mode)

    run(main)


@pytest.mark.skipif(REMOVES_FILES, reason="asyncio leaves the file up to Python 3.12")
def test_close_leaves_the_file(run, path):
    async def main():
        async with serving_unix(path):
            await echo_once(path)
        assert stat.S_ISSOCK(os.stat(path).st_mode)

    run(main)


@removes_files
def test_close_removes_the_file_of_a_socket_of_ones_own(run, path):
    async def main():
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            async with serving_unix(None, sock=listener):
                pass
        assert not os.path.exists(path)

    run(main)


def test_close_removes_no_file_that_another_has_put_there(run, path):
    async def main():
        async with serving_unix(path):
            # Both exist for a moment: the new file cannot have the number of the old one.
            Path(f"{path}.new").write_text("another's")
            os.rename(f"{path}.new", path)
        assert Path(path).read_text() == "another's"

    run(main)


def test_close_removes_no_socket_of_the_next_server(run, path):
    async def main():
        async with serving_unix(path) as first:
            os.rename(path, f"{path}.old")
            async with serving_unix(path):
                first.close()
                await echo_once(path)

    run(main)


def test_close_bears_that_the_file_is_gone(run, path):
    async def main():
        async with serving_unix(path):
            os.unlink(path)

    run(main)


def test_a_stale_socket_file_is_replaced(run, path):
    async def main():
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        async with serving_unix(path):
            await echo_once(path)

    run(main)


def test_closing_the_loop_leaves_nothing_open(loop_factory, path):
    before = open_descriptors()
    loop = loop_factory()
    loop.run_until_complete(loop.create_unix_server(Echo, path)).close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    del loop
    assert open_descriptors() == before


# Errors


def test_a_file_that_is_no_socket_is_not_replaced(run, path):
    async def main():
        Path(path).write_text("precious")
        with pytest.raises(OSError, match=r"Address .* is already in use") as caught:
            await asyncio.get_running_loop().create_unix_server(Echo, path)
        assert caught.value.errno == errno.EADDRINUSE
        assert Path(path).read_text() == "precious"

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_errors_of_the_system_reach_the_caller(run, path):
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(FileNotFoundError):
            await loop.create_unix_connection(Recorder, path)
        with pytest.raises(FileNotFoundError):
            await loop.create_unix_server(Recorder, f"{path}/inside")
        for call in (loop.create_unix_connection, loop.create_unix_server):
            with pytest.raises(OSError, match="AF_UNIX path too long"):
                await call(Recorder, "x" * 200)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_unix_connection(Recorder, path)

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_arguments_are_checked(run, path):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as sock, socket.socket() as inet:
            for call in (loop.create_unix_connection, loop.create_unix_server):
                with pytest.raises(ValueError, match="path and sock can not be specified at the same time"):
                    await call(Recorder, path, sock=sock)
                with pytest.raises(ValueError, match="A UNIX Domain Stream Socket was expected"):
                    await call(Recorder, sock=inet)
            with pytest.raises(ValueError, match="no path and sock were specified"):
                await loop.create_unix_connection(Recorder)
            with pytest.raises(ValueError, match="path was not specified, and no sock specified"):
                await loop.create_unix_server(Recorder)
            with pytest.raises(ValueError, match="server_hostname is only meaningful with ssl"):
                await loop.create_unix_connection(Recorder, path, server_hostname="localhost")
            with pytest.raises(TypeError, match="ssl argument must be an SSLContext or None"):
                await loop.create_unix_server(Recorder, path, ssl=True)

    run(main)


def test_a_cancelled_connect_leaves_nothing(run, path, client_tls):
    """It is connected, and waits for the answer to its handshake."""

    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            options = {"ssl": client_tls, "server_hostname": "localhost"}
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(loop.create_unix_connection(Recorder, path, **options), 0.05)

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_recv_takes_a_message_of_any_length_whole(run):
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    async def main():
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 400_000)
        far.send(bytes(300_000))
        return len(await asyncio.get_running_loop().sock_recv(near, 1 << 20))

    with near, far:
        near.setblocking(False)
        assert run(main) == 300_000
