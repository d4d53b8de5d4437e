"""Loops in several threads at once, and other threads' ways to a loop, under load."""

import asyncio
import concurrent.futures
import gc
import random
import sys
import threading

import pytest
from support import HOST, PATIENCE, open_descriptors

THREADS = 8


class InThreads:
    """Runs a function in so many threads, and raises the first error of any of them."""

    def __init__(self, function, count=THREADS):
        self.errors = []
        self.threads = [
            threading.Thread(target=self._call, args=(function, number), daemon=True)
            for number in range(count)
        ]

    def _call(self, function, number):
        try:
            function(number)
        except BaseException as error:
            self.errors.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc_info):
        for thread in self.threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self.threads)
        if self.errors:
            raise self.errors[0]


def in_threads(function, count=THREADS):
    with InThreads(function, count):
        pass


@pytest.fixture
def running(loop_factory):
    """A loop that runs in a thread of its own."""
    loop = loop_factory()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    started = threading.Event()
    loop.call_soon_threadsafe(started.set)
    assert started.wait(PATIENCE)
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
    loop.close()


async def echo_by_tcp(rounds):
    async def handler(reader, writer):
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async with await asyncio.start_server(handler, HOST, 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for number in range(rounds):
            writer.write(b"%d\n" % number)
            assert await reader.readline() == b"%d\n" % number
        writer.close()
        await writer.wait_closed()


async def timers(rounds):
    loop = asyncio.get_running_loop()
    for _ in range(rounds):
        before = loop.time()
        await asyncio.sleep(0.001)
        assert loop.time() - before >= 0.001


async def children(rounds):
    for number in range(rounds):
        process = await asyncio.create_subprocess_shell(
            f"cat; exit {number}", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert await process.communicate(b"input") == (b"input", None)
        assert process.returncode == number


# Loops in threads


def test_each_thread_runs_its_loop(loop_factory):
    async def work():
        loop = asyncio.get_running_loop()
        await asyncio.gather(echo_by_tcp(200), timers(50), asyncio.to_thread(int))
        assert asyncio.get_running_loop() is loop
        return loop

    loops = set()

    def thread(number):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            loops.add(runner.run(work()))

    before = open_descriptors()
    in_threads(thread)
    assert len(loops) == THREADS
    loops.clear()
    assert open_descriptors() == before


def test_children_of_several_loops(loop_factory):
    """Each loop sees the exits of its own, while the main thread runs one too."""

    def thread(number):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(children(10))

    with InThreads(thread, 4):
        thread(0)


def test_loops_opened_and_closed_in_threads(loop_factory):
    def thread(number):
        for _ in range(50):
            loop = loop_factory()
            try:
                assert loop.run_until_complete(asyncio.sleep(0, number)) == number
                loop.call_soon(int)
                loop.call_later(3600, int)
            finally:
                loop.close()

    before = open_descriptors()
    in_threads(thread)
    assert open_descriptors() == before


def test_a_loop_made_in_one_thread_runs_in_another_and_is_closed_in_a_third(loop_factory):
    for _ in range(20):
        loop = loop_factory()
        in_threads(lambda number, loop=loop: loop.run_until_complete(timers(2)), 1)
        in_threads(lambda number, loop=loop: loop.close(), 1)
        assert loop.is_closed()


def test_loops_that_call_each_other(loop_factory):
    """A ring: each loop hands the token on to the next."""
    loops = [loop_factory() for _ in range(THREADS)]
    hops = THREADS * 200
    passed = [0] * THREADS

    def hand_on(number, hops_left):
        passed[number] += 1
        if hops_left == 0:
            for loop in loops:
                loop.call_soon_threadsafe(loop.stop)
            return
        following = (number + 1) % THREADS
        loops[following].call_soon_threadsafe(hand_on, following, hops_left - 1)

    loops[0].call_soon(hand_on, 0, hops - 1)
    in_threads(lambda number: loops[number].run_forever())
    assert passed == [200] * THREADS
    for loop in loops:
        loop.close()


def test_only_one_thread_runs_a_loop(running, loop_name):
    if loop_name == "asyncio":
        pytest.skip("some releases of CPython raise, but forget that they were running")
    errors = []

    def thread(number):
        for call in (running.run_forever, running.close):
            with pytest.raises(RuntimeError) as caught:
                call()
            errors.append(str(caught.value))

    in_threads(thread, 4)
    assert sorted(set(errors)) == ["Cannot close a running event loop", "This event loop is already running"]


# Other threads' ways to one loop


def test_coroutines_from_many_threads(running):
    async def double(number):
        await asyncio.sleep(0)
        return number * 2

    def thread(number):
        futures = [asyncio.run_coroutine_threadsafe(double(step), running) for step in range(200)]
        assert [future.result(PATIENCE) for future in futures] == [step * 2 for step in range(200)]

    in_threads(thread)


def test_coroutines_cancelled_from_other_threads(running):
    """However it comes out, the waiting thread learns of it, and nothing is left on the loop."""

    async def work():
        await asyncio.sleep(random.random() / 1000)

    def thread(number):
        for _ in range(50):
            future = asyncio.run_coroutine_threadsafe(work(), running)
            if not future.cancel():
                future.result(PATIENCE)

    in_threads(thread)

    async def others():
        await asyncio.sleep(0)
        me = asyncio.current_task()
        while [task for task in asyncio.all_tasks() if task is not me]:
            await asyncio.sleep(0.001)

    asyncio.run_coroutine_threadsafe(others(), running).result(PATIENCE)


def test_handles_cancelled_from_other_threads(running):
    """A callback runs at most once, and never after it was cancelled before its turn."""
    ran = [0] * THREADS
    cancelled = [0] * THREADS
    rounds = 1000

    def count(number):
        ran[number] += 1

    def thread(number):
        for step in range(rounds):
            handle = running.call_soon_threadsafe(count, number)
            if step % 2:
                handle.cancel()
                assert handle.cancelled()
                cancelled[number] += 1
        last = threading.Event()
        running.call_soon_threadsafe(last.set)
        assert last.wait(PATIENCE)
        assert rounds - cancelled[number] <= ran[number] <= rounds

    in_threads(thread)


def test_handles_cancelled_by_all_threads_at_once(running):
    """They race with each other and with the loop; the arguments are let go of once."""

    class Argument:
        pass

    argument = Argument()
    barrier = threading.Barrier(4)
    handles = []

    def thread(number):
        for _ in range(300):
            if number == 0:
                handles[:] = [
                    running.call_soon_threadsafe(lambda argument: None, argument) for _ in range(10)
                ]
            barrier.wait(PATIENCE)
            for handle in handles:
                handle.cancel()
                repr(handle)
            barrier.wait(PATIENCE)

    in_threads(thread, 4)
    handles.clear()
    last = threading.Event()
    running.call_soon_threadsafe(last.set)
    assert last.wait(PATIENCE)
    gc.collect()
    assert sys.getrefcount(argument) < 5


def test_the_handle_of_other_threads(running):
    handle = running.call_soon_threadsafe(print)
    assert isinstance(handle, asyncio.Handle)
    if sys.version_info >= (3, 14):
        assert isinstance(handle, asyncio.events._ThreadSafeHandle)
    handle.cancel()


@pytest.mark.skipif(sys.version_info < (3, 14), reason="since Python 3.14")
def test_cancel_waits_while_the_callback_runs(running):
    """Who has cancelled may rely on it that the callback is over, or never comes."""
    began, may_end = threading.Event(), threading.Event()
    order = []

    def callback():
        began.set()
        may_end.wait(PATIENCE)
        order.append("callback ends")

    handle = running.call_soon_threadsafe(callback)
    assert began.wait(PATIENCE)

    def cancel(number):
        handle.cancel()
        order.append("cancel returns")

    with InThreads(cancel, 1):
        threading.Event().wait(0.02)
        assert order == []
        may_end.set()
    assert order == ["callback ends", "cancel returns"]


def test_a_callback_may_cancel_its_own_handle(running):
    done = threading.Event()
    made = threading.Event()
    handles = []

    def callback():
        made.wait(PATIENCE)
        handles[0].cancel()
        done.set()

    handles.append(running.call_soon_threadsafe(callback))
    made.set()
    assert done.wait(PATIENCE)


def test_executors_of_several_loops(loop_factory):
    def thread(number):
        async def main():
            loop = asyncio.get_running_loop()
            results = await asyncio.gather(*(loop.run_in_executor(None, pow, n, 2) for n in range(200)))
            assert results == [n * n for n in range(200)]

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())

    before = threading.active_count()
    in_threads(thread, 4)
    assert threading.active_count() == before


def test_queues_between_a_loop_and_threads(running):
    """Work for the loop from many threads, answers by futures of their own."""
    queue = asyncio.run_coroutine_threadsafe(make_queue(), running).result(PATIENCE)

    async def serve():
        while (item := await queue.get()) is not None:
            number, answer = item
            answer.set_result(number + 1)

    serving = asyncio.run_coroutine_threadsafe(serve(), running)

    def thread(number):
        for step in range(200):
            answer = concurrent.futures.Future()
            running.call_soon_threadsafe(queue.put_nowait, (step, answer))
            assert answer.result(PATIENCE) == step + 1

    in_threads(thread)
    running.call_soon_threadsafe(queue.put_nowait, None)
    serving.result(PATIENCE)


async def make_queue():
    return asyncio.Queue()
