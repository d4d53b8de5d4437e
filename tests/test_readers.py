"""add_reader and add_writer on descriptors of one's own."""

import asyncio
import os
import socket
import tempfile

import pytest
from support import await_readable, connected_to_socket, reset, run_until, socket_pair


def turn(loop):
    """Time for what must not happen."""
    loop.call_later(0.005, loop.stop)
    loop.run_forever()


def test_a_reader_is_called_with_its_arguments(loop, pair):
    near, far = pair
    got = []
    assert (
        loop.add_reader(near, lambda *arguments: (got.append((arguments, near.recv(10))), loop.stop()), 1, 2)
        is None
    )
    far.send(b"data")
    loop.run_forever()
    assert got == [((1, 2), b"data")]
    loop.remove_reader(near)


def test_a_reader_is_called_again_until_all_is_read(loop, pair):
    """Level-triggered: what is left in the socket calls again."""
    near, far = pair
    got = []

    def read_one():
        got.append(near.recv(1))
        if len(got) == 5:
            loop.stop()

    loop.add_reader(near, read_one)
    far.send(b"12345")
    loop.run_forever()
    assert b"".join(got) == b"12345"
    loop.remove_reader(near)


def test_a_writer_is_called_while_there_is_room(loop, pair):
    near, _ = pair
    calls = []
    loop.add_writer(near, lambda: (calls.append(1), len(calls) == 3 and loop.stop()))
    loop.run_forever()
    assert len(calls) == 3
    assert loop.remove_writer(near) is True
    turn(loop)
    assert len(calls) == 3


def test_remove_tells_whether_there_was_one(loop, pair):
    near, _ = pair
    assert loop.remove_reader(near) is False
    assert loop.remove_writer(near) is False
    loop.add_reader(near, print)
    loop.add_writer(near, print)
    assert loop.remove_reader(near) is True
    assert loop.remove_reader(near) is False
    assert loop.remove_writer(near) is True
    assert loop.remove_writer(near) is False


def test_reader_and_writer_of_one_descriptor_are_independent(loop, pair):
    near, far = pair
    calls = []
    loop.add_reader(near, lambda: (near.recv(10), calls.append("read")))
    loop.add_writer(near, lambda: (calls.append("write"), loop.remove_writer(near)))
    run_until(loop, lambda: calls)
    turn(loop)
    assert calls == ["write"]
    far.send(b"x")
    run_until(loop, lambda: len(calls) >= 2)
    assert calls == ["write", "read"]
    loop.remove_reader(near)


def test_a_new_reader_takes_the_place_of_the_old(loop, pair):
    near, far = pair
    calls = []
    far.send(b"x")
    loop.add_reader(near, calls.append, "old")
    loop.add_reader(near, lambda: (calls.append("new"), near.recv(10), loop.stop()))
    loop.run_forever()
    assert calls == ["new"]
    loop.remove_reader(near)


def test_a_removed_reader_is_not_called_even_if_it_was_ready(loop):
    """Both are ready in the same turn; whichever is first removes the other."""
    calls = []
    with socket_pair() as (near1, far1), socket_pair() as (near2, far2):
        loop.add_reader(
            near1, lambda: (calls.append(1), loop.remove_reader(near1), loop.remove_reader(near2))
        )
        loop.add_reader(
            near2, lambda: (calls.append(2), loop.remove_reader(near1), loop.remove_reader(near2))
        )
        far1.send(b"x")
        far2.send(b"x")
        await_readable(near1)
        await_readable(near2)
        run_until(loop, lambda: calls)
        turn(loop)
    assert len(calls) == 1


def test_numbers_and_objects_with_fileno_are_the_same_descriptor(loop, pair):
    near, _ = pair
    loop.add_reader(near, print)
    assert loop.remove_reader(near.fileno()) is True
    loop.add_reader(near.fileno(), print)
    assert loop.remove_reader(near) is True


def test_pipes_work(loop):
    reading, writing = os.pipe()
    got = []
    loop.add_reader(reading, lambda: (got.append(os.read(reading, 100)), loop.stop()))
    loop.call_soon(os.write, writing, b"through the pipe")
    loop.run_forever()
    loop.remove_reader(reading)
    os.close(reading)
    os.close(writing)
    assert got == [b"through the pipe"]


def test_end_of_file_and_reset_call_the_reader(loop):
    for end in (socket.socket.close, reset):
        with socket_pair() as (near, far):
            got = []

            def readable(near=near, got=got):
                try:
                    got.append(near.recv(10))
                except ConnectionResetError:
                    got.append("reset")
                loop.stop()

            loop.add_reader(near, readable)
            loop.call_soon(end, far)
            loop.run_forever()
            loop.remove_reader(near)
            assert got == [b"" if end is not reset else "reset"]


def test_a_failed_connect_calls_the_writer(loop):
    with socket.socket() as sock, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        sock.setblocking(False)
        loop.add_writer(sock, loop.stop)
        sock.connect_ex(taken.getsockname())
        loop.run_forever()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        loop.remove_writer(sock)


def test_a_reader_that_raises_is_reported_and_stays(loop, pair):
    near, far = pair
    contexts, calls = [], []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))

    def readable():
        calls.append(near.recv(1))
        if len(calls) == 1:
            raise KeyError("first")
        loop.stop()

    loop.add_reader(near, readable)
    far.send(b"ab")
    loop.run_forever()
    loop.remove_reader(near)
    assert calls == [b"a", b"b"]
    assert [type(context["exception"]) for context in contexts] == [KeyError]


def test_a_number_used_again_belongs_to_the_new_socket(loop):
    calls = []
    with socket_pair() as (near, far):
        with socket_pair() as (old, old_far):
            number = old.fileno()
            loop.add_reader(old, calls.append, "old")
            old_far.send(b"x")
            loop.remove_reader(old)
        os.dup2(near.fileno(), number)
        loop.add_reader(number, lambda: (calls.append(os.read(number, 10)), loop.stop()))
        far.send(b"new")
        loop.run_forever()
        loop.remove_reader(number)
        os.close(number)
    assert calls == [b"new"]


def test_a_descriptor_closed_behind_the_loops_back_does_no_harm(loop):
    with socket_pair() as (near, _):
        number = near.fileno()
        loop.add_reader(near, print)
    turn(loop)
    assert loop.remove_reader(number) is True
    turn(loop)


def test_illegal_descriptors_are_errors_to_the_caller(loop):
    with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
        loop.add_reader(-1, print)
    with pytest.raises(ValueError, match="Invalid file object: "):
        loop.add_reader("stdin", print)
    with pytest.raises(ValueError, match="Invalid file object: "):
        loop.add_writer(object(), print)
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.add_reader(9999, print)
    with tempfile.TemporaryFile() as file, pytest.raises(PermissionError):
        loop.add_reader(file, print)
    assert loop.remove_reader(9999) is False
    turn(loop)


def test_a_transports_descriptor_is_not_for_readers(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with connected_to_socket() as (near, _):
            number = near.transport.get_extra_info("socket").fileno()
            for call in (loop.add_reader, loop.add_writer):
                with pytest.raises(RuntimeError, match=f"File descriptor {number} is used by transport"):
                    call(number, print)
            for call in (loop.remove_reader, loop.remove_writer):
                with pytest.raises(RuntimeError, match=f"File descriptor {number} is used by transport"):
                    call(number)

    run(main)


def test_many_descriptors_at_once(loop):
    pairs = [socket_pair() for _ in range(200)]
    ends = [pair.__enter__() for pair in pairs]
    got = []

    def readable(number, near):
        got.append((number, near.recv(10)))
        loop.remove_reader(near)
        if len(got) == len(ends):
            loop.stop()

    for number, (near, far) in enumerate(ends):
        loop.add_reader(near, readable, number, near)
        far.send(str(number).encode())
    loop.run_forever()
    for pair in pairs:
        pair.__exit__(None, None, None)
    assert sorted(got) == sorted((number, str(number).encode()) for number in range(len(ends)))


def test_remove_by_a_socket_that_was_closed(loop, pair):
    """Its number is gone, and yet there was a reader."""
    near, far = pair
    loop.add_reader(near, print)
    loop.add_writer(far, print)
    near.close()
    far.close()
    assert loop.remove_reader(near) is True
    assert loop.remove_writer(far) is True
