"""Native coroutines treated as the interpreter's own: dropped, closed, awaited twice."""

import asyncio
import gc
import types
import warnings
import weakref

import pytest


def full(queue):
    queue.put_nowait(None)
    return queue


async def nothing():
    pass


def ready(vocabulary):
    """One of each kind, none of which will wait long."""
    event = vocabulary.Event()
    event.set()
    return [
        vocabulary.sleep(0),
        vocabulary.sleep(0.001),
        vocabulary.Lock().acquire(),
        vocabulary.Semaphore().acquire(),
        event.wait(),
        vocabulary.Queue().put(None),
        full(vocabulary.Queue()).get(),
        vocabulary.wait_for(nothing(), 10),
        vocabulary.Lock().__aenter__(),
    ]


def test_close_of_one_that_has_ended_is_nothing(run, vocabulary):
    async def main():
        for coroutine in ready(vocabulary):
            await coroutine
            coroutine.close()
            coroutine.close()

    run(main)


def test_close_of_one_that_has_not_begun_ends_it(run, vocabulary):
    async def main():
        for coroutine in ready(vocabulary):
            coroutine.close()
            coroutine.close()
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                await coroutine

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "coroutine 'nothing' was never awaited")
        run(main)


def test_each_that_is_dropped_warns(run, vocabulary):
    async def main():
        lock, queue = vocabulary.Lock(), vocabulary.Queue()
        for make in lambda: vocabulary.sleep(1), lock.acquire, queue.get, lambda: vocabulary.wait([]):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for _ in range(3):
                    make()
            assert ["was never awaited" in str(warning.message) for warning in caught] == [True] * 3

    run(main)


def test_the_warning_has_the_coroutine_as_its_source(run, vocabulary):
    """So whoever keeps the warning keeps it, with all that it was given, and may even await it."""

    async def main():
        future = asyncio.get_running_loop().create_future()
        gone = weakref.ref(future)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            vocabulary.wait([future])
        (warning,) = caught
        assert warning.source.__name__ == "wait"
        future.set_result(None)
        assert await warning.source == ({future}, set())
        del future
        caught.clear()
        del warning
        gc.collect()
        assert gone() is None
        assert caught == []

    run(main)


def test_one_that_is_dropped_while_it_waits_leaves_the_line(run, vocabulary):
    """Also in memory in which another was dropped before."""

    async def main():
        lock, queue = vocabulary.Lock(), vocabulary.Queue()
        for make in lock.acquire, queue.get:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for _ in range(3):
                    make()
        await lock.acquire()
        for make in lock.acquire, queue.get:
            waiting = make()
            waiting.send(None)
            del waiting
        getter = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.put_nowait("item")
        assert await asyncio.wait_for(getter, 10) == "item"
        lock.release()
        assert await asyncio.wait_for(lock.acquire(), 10)

    run(main)


def test_one_that_waits_cannot_be_awaited_again(run, vocabulary):
    async def main():
        event, queue = vocabulary.Event(), vocabulary.Queue()
        for coroutine, wake in (event.wait(), event.set), (queue.get(), lambda: queue.put_nowait(None)):

            async def wait(coroutine=coroutine):
                return await coroutine

            first, second = asyncio.create_task(wait()), asyncio.create_task(wait())
            with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
                await second
            assert not first.done()
            wake()
            await first

    run(main)


def test_a_value_is_not_for_one_that_has_not_begun(run, vocabulary):
    async def main():
        for coroutine in ready(vocabulary):
            with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
                coroutine.send(1)
            coroutine.close()

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "coroutine 'nothing' was never awaited")
        run(main)


def test_it_shows_itself_as_the_interpreters_own_do(run, vocabulary):
    async def main():
        queue = full(vocabulary.Queue())
        coroutine = queue.get()
        assert repr(coroutine).startswith("<coroutine object Queue.get at 0x")
        await coroutine

    run(main)


def test_what_a_lock_awaits_need_not_know_throw(run, vocabulary):
    class Slow:
        def __await__(self):
            return self

        def __iter__(self):
            return self

        def __next__(self):
            return None

    class Lock(vocabulary.Lock):
        def acquire(self):
            return Slow()

    async def main():
        async def hold():
            async with Lock():
                pass

        task = asyncio.create_task(hold())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


def test_what_a_lock_awaits_may_be_a_generator(run, vocabulary):
    class Lock(vocabulary.Lock):
        @types.coroutine
        def acquire(self):
            yield

        def release(self):
            pass

    async def main():
        async with Lock():
            pass

    run(main)


def test_an_error_of_await_is_not_hidden(run, vocabulary):
    class Broken:
        def __await__(self):
            raise AttributeError("broken")

    class Lock(vocabulary.Lock):
        def acquire(self):
            return Broken()

    async def main():
        with pytest.raises(AttributeError, match="broken"):
            async with Lock():
                pass

    run(main)


def test_a_wait_that_nobody_awaits_is_collected(run, vocabulary):
    class Owner:
        async def work(self):
            pass

    async def main():
        gone = []
        owner = Owner()
        owner.waiting = vocabulary.wait_for(owner.work(), 1)
        owner.told = Told(gone)
        del owner
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
        assert gone == ["gone"]

    class Told:
        def __init__(self, gone):
            self.gone = gone

        def __del__(self):
            self.gone.append("gone")

    run(main)
