"""call_soon_threadsafe: the one door for other threads."""

import asyncio
import threading

import pytest
from support import PATIENCE


def test_it_wakes_a_loop_that_sleeps(loop):
    thread = threading.Timer(0.01, loop.call_soon_threadsafe, [loop.stop])
    thread.start()
    loop.run_forever()  # no timer and no socket would wake it
    thread.join()


def test_what_comes_before_the_run_is_kept(loop):
    order = []
    thread = threading.Thread(
        target=lambda: [loop.call_soon_threadsafe(order.append, number) for number in range(100)]
    )
    thread.start()
    thread.join()
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()
    assert order == list(range(100))


def test_many_threads_lose_nothing_and_each_keeps_its_order(loop):
    arrived = {number: [] for number in range(8)}
    left = threading.Semaphore(0)

    def post(number):
        for step in range(2000):
            loop.call_soon_threadsafe(arrived[number].append, step)
        left.release()
        if number == 0:
            for _ in arrived:
                left.acquire()
            loop.call_soon_threadsafe(loop.stop)

    threads = [threading.Thread(target=post, args=(number,)) for number in arrived]
    for thread in threads:
        thread.start()
    loop.run_forever()
    for thread in threads:
        thread.join()
    assert all(steps == list(range(2000)) for steps in arrived.values())


def test_it_keeps_its_place_among_the_loops_own_callbacks(loop):
    order = []
    loop.call_soon(order.append, 1)
    loop.call_soon_threadsafe(order.append, 2)
    loop.call_soon(order.append, 3)
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()
    assert sorted(order) == [1, 2, 3]
    assert order.index(1) < order.index(3)


def test_the_handle_cancels_from_any_thread_before_the_run(loop):
    ran = []

    def post():
        loop.call_soon_threadsafe(ran.append, "cancelled").cancel()
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=post)
    thread.start()
    thread.join()
    loop.run_forever()
    assert ran == []


def test_a_closed_loop_refuses(loop):
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_soon_threadsafe(print)


def test_closing_while_threads_post_ends_in_runtime_errors_only(loop_factory):
    for _ in range(20):
        loop = loop_factory()
        errors = []
        posting = threading.Event()

        def post(loop=loop, errors=errors, posting=posting):
            try:
                while True:
                    loop.call_soon_threadsafe(int)
                    posting.set()
            except RuntimeError as error:
                errors.append(str(error))

        threads = [threading.Thread(target=post) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert posting.wait(PATIENCE)
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        for thread in threads:
            thread.join()
        assert errors == ["Event loop is closed"] * 2


def test_run_coroutine_threadsafe(loop):
    results = []

    async def work(value):
        await asyncio.sleep(0.001)
        return value

    async def fail():
        raise KeyError("from the loop")

    def other_thread():
        results.append(asyncio.run_coroutine_threadsafe(work(7), loop).result(PATIENCE))
        try:
            asyncio.run_coroutine_threadsafe(fail(), loop).result(PATIENCE)
        except KeyError as error:
            results.append(error.args)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=other_thread)
    thread.start()
    loop.run_forever()
    thread.join()
    assert results == [7, ("from the loop",)]


def test_ping_pong_between_two_loops(loop_factory):
    """Each wake-up crosses threads: a lost one would hang."""
    rounds = 1000
    other = loop_factory()
    thread = threading.Thread(target=other.run_forever)
    thread.start()

    async def echo(value):
        return value

    async def main():
        for number in range(rounds):
            assert await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(echo(number), other)) == number

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
    other.call_soon_threadsafe(other.stop)
    thread.join()
    other.close()
