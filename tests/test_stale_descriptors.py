"""A socket that its user closes while something of the loop's goes on with it.

The kernel gives its number to the next descriptor of the process. What was meant for the old socket must not
reach the new one's peer, nor may anybody take what comes for the new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import loop_parameters
from support import HOST, PATIENCE, Recorder, socket_pair, turns, until


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.data: list[bytes] = []
        self.lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.data.append(data)

    def error_received(self, error: Exception) -> None:
        self.errors.append(error)

    def connection_lost(self, error: BaseException | None) -> None:
        self.lost.set_result(error)


@contextlib.contextmanager
def replaced(old: socket.socket) -> Iterator[socket.socket]:
    """Closes a socket, and gives its number to one of a connected pair: yields that one's peer."""
    number = old.fileno()
    with socket_pair() as (new, peer):
        spare = new.detach()
        old.close()
        os.dup2(spare, number, inheritable=False)
        os.close(spare)
        with socket.socket(fileno=number):
            yield peer


def got_nothing(peer: socket.socket) -> bool:
    """Nothing has come, and no end of file."""
    try:
        return not isinstance(peer.recv(100), bytes)
    except BlockingIOError:
        return True


@contextlib.asynccontextmanager
async def transport_of_pair() -> Any:
    """A connection over a socket of the user's own: (protocol, the socket, its peer)."""
    with socket_pair() as (near, far):
        _, protocol = await asyncio.get_running_loop().create_connection(Recorder, sock=near)
        try:
            yield protocol, near, far
        finally:
            protocol.transport.abort()
            await asyncio.wait([protocol.lost], timeout=PATIENCE)


WRITES: dict[str, Callable[[Any], Any]] = {
    "bytes": lambda transport: transport.write(b"secret"),
    "bytearray": lambda transport: transport.write(bytearray(b"secret")),
    "writelines": lambda transport: transport.writelines([b"sec", b"ret"]),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_is_written_does_not_reach_the_next_owner_of_the_number(run, write):
    async def main():
        async with transport_of_pair() as (protocol, sock, _):
            with replaced(sock) as peer:
                write(protocol.transport)
                error = await asyncio.wait_for(protocol.lost, PATIENCE)
                assert isinstance(error, OSError) and error.errno == errno.EBADF
                assert got_nothing(peer)

    run(main)


def test_what_waits_for_room_does_not_reach_the_next_owner_of_the_number(run):
    async def main():
        async with transport_of_pair() as (protocol, sock, _):
            protocol.transport.write(bytes(10_000_000))
            await turns()
            assert protocol.transport.get_write_buffer_size() > 0
            with replaced(sock) as peer:
                protocol.transport.write(b"more")
                await turns(20)
                assert got_nothing(peer)
                # asyncio raises what epoll says of the number, and ends the connection with the second call.
                with contextlib.suppress(OSError):
                    protocol.transport.abort()
                protocol.transport.abort()
                await asyncio.wait_for(protocol.lost, PATIENCE)
                assert got_nothing(peer)

    run(main)


def test_an_end_of_file_does_not_reach_the_next_owner_of_the_number(run):
    async def main():
        async with transport_of_pair() as (protocol, sock, _):
            with replaced(sock) as peer:
                with contextlib.suppress(OSError):
                    protocol.transport.write_eof()
                await turns()
                assert got_nothing(peer)

    run(main)


def test_close_leaves_the_next_owner_of_the_number_alone(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with transport_of_pair() as (protocol, sock, _):
            number = sock.fileno()
            with replaced(sock) as peer:
                protocol.transport.close()
                assert await asyncio.wait_for(protocol.lost, PATIENCE) is None
                await turns()
                assert got_nothing(peer)
                readable = asyncio.Event()
                loop.add_reader(number, readable.set)
                peer.send(b"for the new one")
                await asyncio.wait_for(readable.wait(), PATIENCE)
                assert loop.remove_reader(number)

    run(main)


def test_who_resumes_reading_does_not_get_what_comes_for_the_next_owner_of_the_number(run):
    """asyncio watches the number, so it learns of the closed socket when something comes for the new one."""

    async def main():
        async with transport_of_pair() as (protocol, sock, far):
            protocol.transport.pause_reading()
            far.send(b"not read")
            await turns(20)
            with replaced(sock) as peer:
                peer.send(b"secret")
                protocol.transport.resume_reading()
                error = await asyncio.wait_for(protocol.lost, PATIENCE)
                assert isinstance(error, OSError) and error.errno == errno.EBADF
            assert protocol.data == b""

    run(main)


def test_sendfile_does_not_reach_the_next_owner_of_the_number(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with transport_of_pair() as (protocol, sock, _):
            with replaced(sock) as peer, tempfile.TemporaryFile() as file:
                file.write(b"secret")
                file.seek(0)
                with contextlib.suppress(OSError):
                    await loop.sendfile(protocol.transport, file)
                await turns()
                assert got_nothing(peer)

    run(main)


def test_the_socket_of_an_accepted_connection_may_be_closed_too(run):
    """It is the loop's own, until somebody asks for it."""

    async def main():
        accepted: asyncio.Future[Recorder] = asyncio.get_running_loop().create_future()

        class Server(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                accepted.set_result(self)

        server = await asyncio.get_running_loop().create_server(Server, HOST, 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            protocol = await asyncio.wait_for(accepted, PATIENCE)
            with replaced(protocol.transport.get_extra_info("socket")._sock) as peer:
                protocol.transport.write(b"secret")
                error = await asyncio.wait_for(protocol.lost, PATIENCE)
                assert isinstance(error, OSError) and error.errno == errno.EBADF
                assert got_nothing(peer)
        server.close()
        await server.wait_closed()

    run(main)


@pytest.mark.parametrize("connected", [False, True])
def test_a_datagram_goes_nowhere_once_the_socket_is_closed(run, connected):
    async def main():
        loop = asyncio.get_running_loop()
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as old,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as new,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target,
        ):
            target.bind((HOST, 0))
            target.setblocking(False)
            for sock in (old, new):
                sock.bind((HOST, 0))
                sock.setblocking(False)
            if connected:
                old.connect(target.getsockname())
                new.connect(target.getsockname())
            transport, protocol = await loop.create_datagram_endpoint(Datagrams, sock=old)
            number = old.fileno()
            old.close()
            os.dup2(new.fileno(), number, inheritable=False)
            try:
                transport.sendto(b"secret", None if connected else target.getsockname())
                assert [error.errno for error in protocol.errors] == [errno.EBADF]
                assert not transport.is_closing()
                target.sendto(b"for the new one", new.getsockname())
                await turns(20)
                assert protocol.data == []
                assert new.recv(100) == b"for the new one"
                assert got_nothing(target)
                transport.close()
                assert await asyncio.wait_for(protocol.lost, PATIENCE) is None
            finally:
                os.close(number)

    run(main)


@pytest.mark.parametrize("into", [False, True])
def test_a_receive_that_waits_does_not_take_what_comes_for_the_next_owner(run, into):
    """The old descriptor lives on in a copy, as it does in a child process, so the loop is told of it."""

    async def main():
        loop = asyncio.get_running_loop()
        with socket_pair() as (near, far):
            receive = loop.sock_recv_into(near, bytearray(100)) if into else loop.sock_recv(near, 100)
            task = asyncio.create_task(receive)
            await turns()
            copy = os.dup(near.fileno())
            number = near.fileno()
            try:
                with replaced(near) as peer:
                    peer.send(b"secret")
                    far.send(b"wake up")
                    with pytest.raises(OSError) as caught:
                        await asyncio.wait_for(task, PATIENCE)
                    assert caught.value.errno == errno.EBADF
                    new = os.dup(number)
                    assert os.read(new, 100) == b"secret"
                    os.close(new)
            finally:
                os.close(copy)

    run(main)


def test_what_sock_sendall_has_left_does_not_reach_the_next_owner(run, loop_name):
    """asyncio does not let the new owner be watched at all: it takes the number for the old socket's."""

    async def main():
        loop = asyncio.get_running_loop()
        with socket_pair() as (near, _):
            task = asyncio.create_task(loop.sock_sendall(near, bytes(10_000_000)))
            await turns()
            number = near.fileno()
            with replaced(near) as peer:
                if loop_name == "asyncio":
                    with pytest.raises(FileNotFoundError):
                        loop.add_reader(number, lambda: None)
                else:
                    called: list[int] = []
                    loop.add_reader(number, called.append, 1)
                    peer.send(b"for the new one")
                    await until(lambda: called)
                    assert loop.remove_reader(number)
                assert got_nothing(peer)
                task.cancel()
                await asyncio.wait([task], timeout=PATIENCE)
                await turns()
                assert got_nothing(peer)

    run(main)


# A descriptor that was closed while a copy of it lives, as it does in a child process: the kernel goes on
# reporting it, and no longer lets it be named.


def watched(number: int) -> bool:
    """Whether an epoll set of this process has a registration of that number."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if "eventpoll" in os.readlink(f"/proc/self/fd/{name}"):
                lines = Path(f"/proc/self/fdinfo/{name}").read_text().splitlines()
                if any(line.split()[:2] == ["tfd:", str(number)] for line in lines):
                    return True
    return False


@contextlib.contextmanager
def closed_with_a_copy(sock: socket.socket) -> Iterator[int]:
    """Closes a socket; yields the number that it had."""
    number = sock.fileno()
    copy = os.dup(number)
    sock.close()
    try:
        yield number
    finally:
        os.close(copy)


needs_new_set = pytest.mark.parametrize(
    "loop_name", [name for name in loop_parameters() if name.values != ("asyncio",)]
)


@needs_new_set
@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
def test_a_listener_that_was_closed_is_told_of_once(run, tmp_path, server_tls, kind):
    """asyncio calls `accept` again and again, reports each failure, and `Server.close` raises ValueError."""

    async def main():
        loop = asyncio.get_running_loop()
        errors: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda loop, context: errors.append(context))
        path = str(tmp_path / "listener")
        if kind == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(path)
            server = await loop.create_unix_server(Recorder, sock=sock)
        else:
            sock = socket.create_server((HOST, 0))
            server = await loop.create_server(Recorder, sock=sock, ssl=server_tls if kind == "tls" else None)
        address = sock.getsockname()
        with socket.socket(sock.family) as peer, closed_with_a_copy(sock) as number:
            assert watched(number)
            peer.connect(address)
            await until(lambda: errors and not watched(number))
            server.close()
            await turns(20)
            assert [type(context["exception"]) for context in errors] == [OSError]
            assert errors[0]["exception"].errno == errno.EBADF
        await asyncio.wait_for(server.wait_closed(), PATIENCE)

    run(main)


@needs_new_set
def test_a_server_whose_listeners_were_closed_closes_the_others_too(run):
    """asyncio raises ValueError at the first, and goes on listening on the second."""

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Recorder, [HOST, "127.0.0.2"], 0)
        first, second = server.sockets
        first._sock.close()
        address = second.getsockname()
        server.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)

    run(main)


def test_a_connection_hears_of_its_closed_socket_with_what_comes_for_the_copy(run, loop_name):
    async def main():
        async with transport_of_pair() as (protocol, sock, far):
            with closed_with_a_copy(sock) as number:
                far.send(b"for the copy")
                error = await asyncio.wait_for(protocol.lost, PATIENCE)
                assert isinstance(error, OSError) and error.errno == errno.EBADF
                assert protocol.data == b""
                if loop_name == "ironloop":  # asyncio is told of it for ever
                    await until(lambda: not watched(number))

    run(main)


@needs_new_set
def test_a_paused_connection_hears_of_its_closed_socket_as_well(run):
    """asyncio's does when the copy has room for what waits."""

    async def main():
        async with transport_of_pair() as (protocol, sock, far):
            protocol.transport.write(bytes(10_000_000))
            await turns()
            protocol.transport.pause_reading()
            with closed_with_a_copy(sock) as number:
                far.send(b"for the copy")
                await until(lambda: not watched(number))
                error = await asyncio.wait_for(protocol.lost, PATIENCE)
                assert isinstance(error, OSError) and error.errno == errno.EBADF

    run(main)


@needs_new_set
def test_a_datagram_endpoint_has_one_error_of_its_closed_socket(run):
    """asyncio calls `error_received` as long as the copy has something to read."""

    async def main():
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(Datagrams, (HOST, 0))
        sock = transport.get_extra_info("socket")._sock
        address = sock.getsockname()
        with closed_with_a_copy(sock) as number, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"for the copy", address)
            await until(lambda: protocol.errors and not watched(number))
            await turns(20)
            assert [error.errno for error in protocol.errors] == [errno.EBADF]
            assert protocol.data == []
            transport.close()
            assert await asyncio.wait_for(protocol.lost, PATIENCE) is None

    run(main)


@needs_new_set
def test_a_reader_that_could_not_be_taken_back_is_forgotten_and_all_else_is_still_watched(run):
    """asyncio is told of it as long as the copy lives."""

    async def main():
        loop = asyncio.get_running_loop()
        async with transport_of_pair() as (protocol, _, far):
            with socket_pair() as (near, peer), socket_pair() as (waiting, waker):
                received = asyncio.create_task(loop.sock_recv(waiting, 100))
                signalled = asyncio.Event()
                loop.add_signal_handler(signal.SIGUSR1, signalled.set)
                written = asyncio.Event()
                loop.add_reader(near, lambda: None)
                loop.add_writer(peer, written.set)
                with closed_with_a_copy(near) as number:
                    assert loop.remove_reader(number)
                    assert watched(number)
                    peer.send(b"for the copy")
                    await until(lambda: not watched(number))
                    far.send(b"data")
                    assert await protocol.received(4) == b"data"
                    waker.send(b"woken")
                    assert await asyncio.wait_for(received, PATIENCE) == b"woken"
                    written.clear()
                    await asyncio.wait_for(written.wait(), PATIENCE)
                    loop.remove_writer(peer)
                    os.kill(os.getpid(), signal.SIGUSR1)
                    await asyncio.wait_for(signalled.wait(), PATIENCE)
                    loop.remove_signal_handler(signal.SIGUSR1)
                    await loop.run_in_executor(None, int)  # another thread wakes the loop

    run(main)


def test_a_socket_that_is_closed_in_the_batch_of_its_event_fails_its_own_operation(run):
    async def main():
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            receiving = asyncio.ensure_future(loop.sock_recv(near, 10))
            await asyncio.sleep(0)
            loop.add_writer(near, lambda: None)
            far.send(b"x")
            loop.call_soon(near.close)
            # asyncio tells of its own callback besides.
            loop.set_exception_handler(lambda *_: None)
            with pytest.raises(OSError):
                await asyncio.wait_for(receiving, PATIENCE)

    run(main)
