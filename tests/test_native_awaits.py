"""What goes through a native coroutine: values that are sent into it, errors that would be its result."""

import asyncio
import sys
import types

import pytest


@types.coroutine
def ask(question):
    return (yield question)


class Driver:
    """Answers questions by itself, and leaves all else to the loop."""

    def __init__(self, coroutine):
        self.coroutine = coroutine

    def __await__(self):
        inner, value = self.coroutine.__await__(), None
        while True:
            try:
                out = inner.send(value)
            except StopIteration as stop:
                return stop.value
            value = "answer" if out == "question" else (yield out)


async def asks():
    return await ask("question")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="wait_for makes a task")
def test_a_value_arrives_through_wait_for(run, vocabulary):
    async def main():
        assert await Driver(vocabulary.wait_for(asks(), 5)) == "answer"
        assert await Driver(vocabulary.wait_for(vocabulary.wait_for(asks(), 5), 5)) == "answer"

    run(main)


def test_a_value_arrives_through_the_blocks_of_locks(run, vocabulary):
    answers = []

    class Asking(vocabulary.Lock):
        async def acquire(self):
            answers.append(await ask("question"))
            return await super().acquire()

    async def main():
        async def block(primitive):
            async with primitive:
                pass

        await Driver(block(Asking()))
        await Driver(block(vocabulary.Condition(Asking())))
        assert answers == ["answer"] * 2

    run(main)


def test_a_value_arrives_where_a_condition_takes_its_lock_again(run, vocabulary):
    answers = []

    class Asking(vocabulary.Lock):
        async def acquire(self):
            answers.append(await ask("question"))
            return await super().acquire()

    async def main():
        condition = vocabulary.Condition(Asking())

        async def wait():
            async with condition:
                await condition.wait()

        async def driven():
            await Driver(wait())

        waiting = asyncio.create_task(driven())
        await asyncio.sleep(0)
        async with vocabulary.timeout(5):
            await vocabulary.Lock.acquire(condition._lock)
        condition.notify()
        condition.release()
        await waiting
        assert answers == ["answer"] * 2

    run(main)


def test_a_value_arrives_at_a_future_of_a_programs_own(run, vocabulary):
    """What is waited for may be any future that the loop makes."""
    got = []

    class Future(asyncio.Future):
        def __await__(self):
            got.append((yield self))
            return self.result()

        __iter__ = __await__

    async def main():
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        loop.create_future = lambda: Future(loop=loop)
        reading = reader.read(1)
        future = reading.send(None)
        del loop.create_future
        future.remove_done_callback(print)
        reader.feed_data(b"x")
        with pytest.raises(StopIteration) as stop:
            reading.send("sent")
        assert stop.value.value == b"x"
        assert got == ["sent"]

    run(main)


def raises():
    raise StopIteration("the end")


class Odd:
    def __lt__(self, other):
        raises()


def uses(vocabulary):
    """Coroutines that call what raises StopIteration."""

    class Queue(vocabulary.Queue):
        def _get(self):
            raises()

    class Lock(vocabulary.Lock):
        def release(self):
            raises()

    class Stubborn(vocabulary.Semaphore):
        def locked(self):
            raises()

    async def block():
        async with Lock():
            return "left the block"

    queue, heap, failed = Queue(), vocabulary.PriorityQueue(), vocabulary.StreamReader()
    queue._queue.append(1)
    heap.put_nowait(Odd())
    failed.set_exception(StopIteration("the end"))
    return {
        "get": queue.get,
        "put": lambda: heap.put(Odd()),
        "block": block,
        "acquire": Stubborn().acquire,
        "read": lambda: failed.read(1),
        "sleep": lambda: vocabulary.sleep(Delay()),
    }


class Delay:
    def __le__(self, other):
        raises()


@pytest.mark.parametrize("name", ["get", "put", "block", "acquire", "read", "sleep"])
def test_a_stop_iteration_is_no_result(run, vocabulary, name):
    async def main():
        use = uses(vocabulary)[name]
        for _ in range(2):
            with pytest.raises(RuntimeError, match="coroutine raised StopIteration") as caught:
                await use()
            assert caught.value.__cause__.args == ("the end",)
            assert caught.value.__context__ is caught.value.__cause__
            queue = use.__self__ if hasattr(use, "__self__") else None
            if isinstance(queue, vocabulary.Queue):
                queue._queue.append(1)

    run(main)


def test_a_stop_iteration_by_the_methods_is_no_result(run, vocabulary):
    async def main():
        for method in (
            lambda coroutine: coroutine.send(None),
            lambda coroutine: coroutine.__await__().send(None),
            lambda coroutine: coroutine.__await__().__next__(),
        ):
            with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
                method(vocabulary.sleep(Delay()))

    run(main)


@pytest.mark.skipif(hasattr(sys, "gettotalrefcount"), reason="debug builds of CPython abort")
def test_a_stop_iteration_thrown_in_before_the_first_step_is_as_of_any_coroutine(run, vocabulary):
    """Up to Python 3.11 it is converted, later it comes as it was."""

    async def own():
        pass

    async def main():
        outcomes = []
        for coroutine in own(), vocabulary.sleep(1):
            with pytest.raises((StopIteration, RuntimeError)) as caught:
                coroutine.throw(StopIteration("the end"))
            outcomes.append((type(caught.value), str(caught.value)))
        assert outcomes[0] == outcomes[1]

    run(main)
