"""Connecting to a UNIX server that is full: the kernel refuses with EAGAIN, and nothing goes on there.

asyncio takes that for a connection on its way, and reports a success which is none; uvloop raises. So these
tests are for ironloop alone. (Elsewhere it was asio#1365, mio#1560, curl#18748.)
"""

import asyncio
import os
import socket

import pytest
from support import PATIENCE, Recorder, open_descriptors, turns, until


@pytest.fixture(autouse=True)
def only_ironloop(loop_name):
    if loop_name == "asyncio":
        pytest.skip("asyncio reports a connection that there is not")


@pytest.fixture
def full(tmp_path):
    """A server that accepts nobody by itself, and has no room: (listener, path)."""
    path = os.path.relpath(tmp_path / "socket")
    waiting = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        listener.setblocking(False)
        while True:
            client = socket.socket(socket.AF_UNIX)
            waiting.append(client)
            client.setblocking(False)
            try:
                client.connect(path)
            except BlockingIOError:
                break
        for client in waiting:
            # Who accepts them finds their end.
            client.close()
        yield listener, path


class Counting(socket.socket):
    """Counts its attempts."""

    attempts = 0

    def connect(self, address):
        self.attempts += 1
        super().connect(address)


def unix_socket(kind=socket.socket):
    sock = kind(socket.AF_UNIX)
    sock.setblocking(False)
    return sock


def test_it_is_tried_again_until_there_is_room(run, full):
    listener, path = full

    async def client(number):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"%d\n" % number)
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return answer

    async def main():
        loop = asyncio.get_running_loop()
        clients = [asyncio.ensure_future(client(number)) for number in range(6)]
        await turns(10)
        assert not any(task.done() for task in clients)

        async def serve():
            while True:
                connection, _ = await loop.sock_accept(listener)
                with connection:
                    if data := await loop.sock_recv(connection, 100):
                        await loop.sock_sendall(connection, data)

        server = asyncio.ensure_future(serve())
        answers = await asyncio.wait_for(asyncio.gather(*clients), PATIENCE)
        assert answers == [b"%d\n" % number for number in range(6)]
        server.cancel()

    run(main)


def test_sock_connect(run, full):
    listener, path = full

    async def main():
        loop = asyncio.get_running_loop()
        with unix_socket(Counting) as sock:
            connecting = asyncio.ensure_future(loop.sock_connect(sock, path))
            await until(lambda: sock.attempts > 2)
            assert not connecting.done()
            listener.accept()[0].close()
            assert await asyncio.wait_for(connecting, PATIENCE) is None
            assert sock.getpeername() == path

    run(main)


def test_it_does_not_try_all_the_time(run, full):
    _, path = full

    async def main():
        with unix_socket(Counting) as sock:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, path), 0.2)
            assert 1 < sock.attempts < 20

    run(main)


def test_a_cancelled_attempt_leaves_nothing_behind(run, full):
    _, path = full

    async def main():
        loop = asyncio.get_running_loop()
        before = open_descriptors()
        for connect in (
            loop.create_unix_connection(Recorder, path),
            asyncio.open_unix_connection(path),
        ):
            task = asyncio.ensure_future(connect)
            await turns(10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            del task, connect
        assert open_descriptors() == before

    run(main)


def test_a_server_that_goes_away_meanwhile(run, full):
    listener, path = full

    async def main():
        connecting = asyncio.ensure_future(asyncio.open_unix_connection(path))
        await turns(10)
        assert not connecting.done()
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.wait_for(connecting, PATIENCE)
        os.unlink(path)
        with pytest.raises(FileNotFoundError):
            await asyncio.open_unix_connection(path)

    run(main)


def test_a_socket_that_is_closed_meanwhile(run, full):
    _, path = full

    async def main():
        sock = unix_socket()
        connecting = asyncio.ensure_future(asyncio.get_running_loop().sock_connect(sock, path))
        await turns(10)
        sock.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            await asyncio.wait_for(connecting, PATIENCE)

    run(main)


def test_debug_mode_wants_a_socket_that_does_not_block(run, full):
    _, path = full

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        with socket.socket(socket.AF_UNIX) as sock:
            with pytest.raises(ValueError, match="the socket must be non-blocking"):
                await loop.sock_connect(sock, path)

    run(main)
