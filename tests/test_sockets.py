"""sock_recv, sock_recv_into, sock_sendall, sock_accept and sock_connect on sockets of one's own."""

import asyncio
import gc
import inspect
import random
import socket
import ssl

import pytest
from support import HOST, refusing_address, reset, socket_pair


def test_recv_returns_what_is_there(run, pair):
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        far.send(b"at once")
        assert await loop.sock_recv(near, 100) == b"at once"
        loop.call_later(0.005, far.send, b"later")
        assert await loop.sock_recv(near, 3) == b"lat"
        assert await loop.sock_recv(near, 100) == b"er"
        far.close()
        assert await loop.sock_recv(near, 100) == b""

    run(main)


@pytest.mark.parametrize(
    "make", [bytearray, lambda size: memoryview(bytearray(size))], ids=["bytearray", "memoryview"]
)
def test_recv_into_fills_a_buffer(run, pair, make):
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        buffer = make(10)
        far.send(b"12345")
        assert await loop.sock_recv_into(near, buffer) == 5
        assert bytes(buffer) == b"12345" + bytes(5)
        loop.call_later(0.005, far.send, b"abc")
        assert await loop.sock_recv_into(near, buffer) == 3
        assert bytes(buffer[:5]) == b"abc45"
        far.close()
        assert await loop.sock_recv_into(near, buffer) == 0

    run(main)


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview], ids=["bytes", "bytearray", "memoryview"])
def test_a_large_transfer(run, pair, make):
    near, far = pair
    data = random.Random(4).randbytes(8_000_000)

    async def main():
        loop = asyncio.get_running_loop()
        sending = asyncio.create_task(loop.sock_sendall(near, make(data)))
        got = bytearray()
        while len(got) < len(data):
            got += await loop.sock_recv(far, 1_000_000)
        assert await sending is None
        assert got == data

    run(main)


def test_an_empty_send_is_done_at_once(run, pair):
    async def main():
        assert await asyncio.get_running_loop().sock_sendall(pair[0], b"") is None

    run(main)


def test_both_directions_of_one_socket_at_once(run, pair):
    near, far = pair
    size = 3_000_000

    async def receive(sock):
        loop = asyncio.get_running_loop()
        total = 0
        while total < size:
            total += len(await loop.sock_recv(sock, 100_000))
        return total

    async def main():
        loop = asyncio.get_running_loop()
        results = await asyncio.gather(
            loop.sock_sendall(near, bytes(size)),
            loop.sock_sendall(far, bytes(size)),
            receive(near),
            receive(far),
        )
        assert results == [None, None, size, size]

    run(main)


def test_connect_and_accept(run):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.create_server((HOST, 0)) as listener, socket.socket() as client:
            listener.setblocking(False)
            client.setblocking(False)
            accepting = asyncio.create_task(loop.sock_accept(listener))
            await asyncio.sleep(0)
            assert await loop.sock_connect(client, listener.getsockname()) is None
            accepted, address = await accepting
            with accepted:
                assert address == client.getsockname()
                assert accepted.gettimeout() == 0
                await loop.sock_sendall(client, b"hello")
                assert await loop.sock_recv(accepted, 10) == b"hello"

    run(main)


def test_accept_of_one_after_the_other(run):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.create_server((HOST, 0)) as listener:
            listener.setblocking(False)
            for _ in range(50):
                with socket.create_connection(listener.getsockname()):
                    accepted, _ = await loop.sock_accept(listener)
                    accepted.close()

    run(main)


def test_connect_resolves_a_name(run, monkeypatch):
    async def main():
        with socket.create_server((HOST, 0)) as listener, socket.socket() as client:
            address = listener.getsockname()
            monkeypatch.setattr(
                socket,
                "getaddrinfo",
                lambda *arguments, **options: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)],
            )
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, ("name.example", 80))
            assert client.getpeername() == address

    run(main)


def test_errors_reach_the_caller(run, pair):
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as client, refusing_address() as address:
            client.setblocking(False)
            with pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(client, address)
        waiting = asyncio.create_task(loop.sock_recv(near, 10))
        await asyncio.sleep(0)
        reset(far)
        with pytest.raises(ConnectionResetError):
            await waiting
        with pytest.raises(BrokenPipeError):
            await loop.sock_sendall(near, b"x")

    run(main)


def test_a_closed_socket_is_an_error(run):
    async def main():
        loop = asyncio.get_running_loop()
        with socket_pair() as (near, _):
            pass
        for operation in (loop.sock_recv(near, 1), loop.sock_sendall(near, b"x")):
            with pytest.raises((OSError, ValueError)):
                await operation

    run(main)


def test_a_reset_in_the_middle_of_a_send(run, pair):
    near, far = pair

    async def main():
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(near, bytes(20_000_000)))
        await asyncio.sleep(0.01)
        assert not sending.done()
        reset(far)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await sending

    run(main)


def test_a_cancelled_recv_takes_no_data_with_it(run, pair):
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(3):
            waiting = asyncio.create_task(loop.sock_recv(near, 100))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.sock_recv(near, 100), 0.005)
        far.send(b"all of it")
        assert await loop.sock_recv(near, 100) == b"all of it"
        assert loop.remove_reader(near) is False

    run(main)


@pytest.mark.parametrize("name, argument", [("recv", 100), ("recv_into", bytearray(100)), ("sendall", b"x")])
def test_an_operation_is_a_coroutine(run, pair, name, argument):
    """What nobody resumes does nothing; what is closed before it has begun neither."""
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        method = getattr(loop, f"sock_{name}")
        assert inspect.iscoroutinefunction(method)
        coroutine = method(near, argument)
        assert inspect.iscoroutine(coroutine)
        assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
        assert coroutine.__name__ == f"sock_{name}"
        await asyncio.sleep(0)
        coroutine.close()
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await coroutine
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(1)
        with pytest.raises(TypeError):
            method(near)
        with pytest.raises(TypeError):
            await method(near, None)

    run(main)


def test_a_closed_operation_lets_go_of_its_buffer(run, pair):
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        buffer = bytearray(100)
        coroutine = loop.sock_recv_into(near, buffer)
        future = coroutine.send(None)
        assert not future.done()
        coroutine.close()
        buffer.extend(b"nobody holds it")
        far.send(b"for the next")
        assert await loop.sock_recv(near, 100) == b"for the next"

    run(main)


def test_what_recv_into_fills_may_change_its_size_while_it_waits(run, pair):
    """The room that there is when something comes counts."""
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        buffer = bytearray(4)
        waiting = asyncio.create_task(loop.sock_recv_into(near, buffer))
        await asyncio.sleep(0)
        buffer.extend(bytes(8))
        far.send(b"0123456789")
        assert await waiting == 10
        assert buffer == b"0123456789\0\0"
        waiting = asyncio.create_task(loop.sock_recv_into(near, buffer))
        await asyncio.sleep(0)
        buffer.clear()
        far.send(b"stays")
        assert await waiting == 0
        assert await loop.sock_recv(near, 100) == b"stays"

    run(main)


@pytest.mark.parametrize("target", [b"read", memoryview(b"only"), "text", None], ids=repr)
def test_recv_into_refuses_what_cannot_be_filled(run, pair, target):
    near, far = pair

    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(TypeError, match="must be read-write bytes-like object, not "):
            await loop.sock_recv_into(near, target)
        far.send(b"stays")
        assert await loop.sock_recv(near, 100) == b"stays"

    run(main)


def test_an_operation_of_a_socket_that_is_closed_while_it_waits_can_be_cancelled(run, pair):
    near, _ = pair

    async def main():
        loop = asyncio.get_running_loop()
        buffer = bytearray(100)
        waiting = asyncio.create_task(loop.sock_recv_into(near, buffer))
        await asyncio.sleep(0)
        near.close()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        del waiting
        gc.collect()
        buffer.extend(b"nobody holds it")

    run(main)


def test_cancelled_send_and_accept(run, pair):
    near, _ = pair

    async def main():
        loop = asyncio.get_running_loop()
        sending = asyncio.create_task(loop.sock_sendall(near, bytes(20_000_000)))
        with socket.create_server((HOST, 0)) as listener:
            listener.setblocking(False)
            accepting = asyncio.create_task(loop.sock_accept(listener))
            await asyncio.sleep(0.005)
            for task in (sending, accepting):
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert loop.remove_writer(near) is False
            assert loop.remove_reader(listener) is False
            with socket.create_connection(listener.getsockname()) as client:
                accepted, address = await loop.sock_accept(listener)
                accepted.close()
                assert address == client.getsockname()

    run(main)


def test_a_number_used_again_belongs_to_the_new_socket(run):
    """A socket is closed right after its operation was cancelled; the next one gets its number."""

    async def main():
        loop = asyncio.get_running_loop()
        numbers = set()
        for turn in range(20):
            with socket_pair() as (near, far):
                numbers.add(near.fileno())
                message = str(turn).encode()
                waiting = asyncio.create_task(loop.sock_recv(near, 10))
                await asyncio.sleep(0)
                if turn % 2:
                    waiting.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await waiting
                else:
                    far.send(message)
                    assert await waiting == message
        assert len(numbers) < 20

    run(main)


def test_many_sockets_at_once(run):
    async def main():
        loop = asyncio.get_running_loop()

        async def talk(number):
            message = str(number).encode() * 100
            with socket_pair() as (near, far):
                for _ in range(20):
                    received, _ = await asyncio.gather(
                        loop.sock_recv(near, 10_000), loop.sock_sendall(far, message)
                    )
                    assert received == message

        await asyncio.gather(*(talk(number) for number in range(50)))

    run(main)


def test_blocking_sockets_are_refused_in_debug(loop):
    loop.set_debug(True)

    async def main():
        with socket_pair(blocking=True) as (near, _):
            for operation in (
                loop.sock_recv(near, 1),
                loop.sock_recv_into(near, bytearray(1)),
                loop.sock_sendall(near, b"x"),
                loop.sock_accept(near),
                loop.sock_connect(near, (HOST, 1)),
            ):
                with pytest.raises(ValueError, match="the socket must be non-blocking"):
                    await operation

    loop.run_until_complete(main())


def test_tls_sockets_are_refused(run, client_tls):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as plain, client_tls.wrap_socket(plain, server_hostname="x") as sock:
            assert isinstance(sock, ssl.SSLSocket)
            with pytest.raises(TypeError, match="Socket cannot be of type SSLSocket"):
                await loop.sock_recv(sock, 1)

    run(main)


def test_a_large_answer_after_the_peers_half_close(run):
    """The edge that tells of the half-close must not be taken for room to write."""

    async def main():
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)
            answer = bytes(5_000_000)
            request = asyncio.create_task(loop.sock_recv(left, 100))
            await asyncio.sleep(0)
            right.send(b"question")
            assert await request == b"question"
            right.shutdown(socket.SHUT_WR)
            assert await loop.sock_recv(left, 100) == b""
            sending = asyncio.create_task(loop.sock_sendall(left, answer))
            received = bytearray()
            while len(received) < len(answer):
                received += await loop.sock_recv(right, 100_000)
            await sending
            assert received == answer

    run(main)


def test_receiving_beside_a_writer_callback(run):
    async def main():
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            waiting = asyncio.create_task(loop.sock_recv(left, 100))
            await asyncio.sleep(0)
            right.send(b"one")
            assert await waiting == b"one"
            called = asyncio.Event()
            loop.add_writer(left, called.set)
            waiting = asyncio.create_task(loop.sock_recv(left, 100))
            await called.wait()
            right.send(b"two")
            assert await waiting == b"two"
            assert loop.remove_writer(left)
            waiting = asyncio.create_task(loop.sock_recv(left, 100))
            await asyncio.sleep(0)
            right.send(b"three")
            assert await waiting == b"three"

    run(main)


def test_an_operation_does_not_reach_the_next_socket_of_its_number(run, loop_name):
    if loop_name == "asyncio":
        pytest.skip("asyncio's selector trips over the socket that was closed")

    async def main():
        loop = asyncio.get_running_loop()
        first, first_peer = socket.socketpair()
        first.setblocking(False)
        number = first.fileno()
        stale = asyncio.create_task(loop.sock_recv(first, 100))
        await asyncio.sleep(0)
        first.close()
        second, peer = socket.socketpair()
        with first_peer, second, peer:
            assert second.fileno() == number
            second.setblocking(False)
            waiting = asyncio.create_task(loop.sock_recv(second, 100))
            await asyncio.sleep(0)
            peer.send(b"for the second")
            assert await waiting == b"for the second"
            assert not stale.done()
            stale.cancel()
            await asyncio.wait([stale])
            loop.remove_reader(number)

    run(main)


def test_a_short_read_of_a_unix_socket_may_leave_data(run):
    async def main():
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            waiting = asyncio.create_task(loop.sock_recv(left, 100))
            await asyncio.sleep(0)
            right.send(b"zero")
            assert await waiting == b"zero"
            socket.send_fds(right, [b"first"], [0])
            right.send(b"second")
            assert await loop.sock_recv(left, 100) == b"first"
            assert await loop.sock_recv(left, 100) == b"second"
            assert await loop.sock_recv(left, 0) == b""

    run(main)


def test_a_cancelled_connect_lets_go_of_the_socket(run):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as full, socket.socket() as client:
            full.bind((HOST, 0))
            full.listen(0)
            client.setblocking(False)
            # Those that fill the backlog; the last one waits.
            others = [socket.socket() for _ in range(4)]
            for other in others:
                other.setblocking(False)
                other.connect_ex(full.getsockname())
            connecting = asyncio.create_task(loop.sock_connect(client, full.getsockname()))
            await asyncio.sleep(0.005)
            assert not connecting.done()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            assert loop.remove_writer(client) is False
            for other in others:
                other.close()

    run(main)
