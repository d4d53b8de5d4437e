"""Locks and their like, beyond what CPython's suite asks: subclasses, other locks and loops, garbage."""

import asyncio
import gc
import inspect
import math
import sys
import warnings
import weakref
from decimal import Decimal
from fractions import Fraction
from unittest import mock

import pytest
from conftest import needs_ironloop

NAMES = ("Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore")


@pytest.fixture
def vocabulary(loop_name):
    """Where the classes of the loop under test are."""
    if loop_name == "asyncio":
        return asyncio
    import ironloop

    return ironloop


async def turns(count=3):
    for _ in range(count):
        await asyncio.sleep(0)


@needs_ironloop
@pytest.mark.parametrize("name", [*NAMES, "Barrier"])
def test_both_classes_are_the_same_to_isinstance(name):
    import ironloop

    ours, stock = getattr(ironloop, name), getattr(asyncio, name)
    arguments = [2] if name == "Barrier" else []
    assert isinstance(ours(*arguments), stock)
    assert isinstance(stock(*arguments), ours)
    assert issubclass(stock, ours) and issubclass(ours, stock)


@needs_ironloop
def test_the_methods_look_like_asyncios():
    import ironloop

    assert inspect.iscoroutinefunction(ironloop.Lock.acquire)
    assert inspect.signature(ironloop.Semaphore) == inspect.signature(asyncio.Semaphore)
    assert ironloop.Event.wait.__doc__ == asyncio.Event.wait.__doc__


@needs_ironloop
def test_on_a_loop_that_is_not_ironloops():
    """Made before it runs, they are ours and work there; made while it runs, they are asyncio's own."""
    import ironloop

    lock, event, condition = ironloop.Lock(), ironloop.Event(), ironloop.Condition()

    async def main():
        assert type(ironloop.Lock()) is asyncio.Lock
        got = []

        async def locked(number):
            async with lock:
                await asyncio.sleep(0)
                got.append(number)

        async def told():
            async with condition:
                got.append(await condition.wait())

        tasks = [asyncio.create_task(locked(number)) for number in range(3)]
        tasks += [asyncio.create_task(told()), asyncio.create_task(event.wait())]
        await turns()
        tasks[1].cancel()
        event.set()
        async with condition:
            condition.notify()
        await asyncio.wait(tasks)
        assert tasks[1].cancelled()
        assert sorted(got) == [0, True, 2]

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())


def test_bound_to_the_loop_on_which_somebody_has_waited(loop_factory, vocabulary):
    event = vocabulary.Event()

    async def wait():
        waiting = asyncio.create_task(event.wait())
        await turns(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        if not waiting.cancelled():
            waiting.result()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(wait())
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        with pytest.raises(RuntimeError, match="is bound to a different event loop"):
            runner.run(wait())


def test_methods_of_a_subclass_are_called_by_async_with(run, vocabulary):
    called = []

    class Noting(vocabulary.Lock):
        async def acquire(self):
            called.append("acquire")
            return await super().acquire()

        def release(self):
            called.append("release")
            super().release()

    async def main():
        lock = Noting()
        async with lock as entered:
            assert entered is None
            assert lock.locked()
        assert not lock.locked()
        assert called == ["acquire", "release"]

    run(main)


def test_methods_of_an_instance_are_called_by_async_with(run, vocabulary):
    async def main():
        semaphore = vocabulary.Semaphore()
        called = []
        release = semaphore.release
        async with semaphore:
            semaphore.release = lambda: (called.append("release"), release())
        assert called == ["release"]
        assert not semaphore.locked()

    run(main)


@pytest.mark.parametrize("name", ["Lock", "Semaphore", "BoundedSemaphore"])
def test_methods_that_a_tool_replaces_for_a_while(run, vocabulary, name):
    async def use(primitive):
        async with primitive:
            pass

    async def main():
        primitive = getattr(vocabulary, name)()
        for place in (type(primitive), primitive):
            for method in ("acquire", "release"):
                called = []
                original = getattr(place, method)

                def noting(*arguments, original=original, called=called):
                    called.append(arguments)
                    return original(*arguments)

                await use(primitive)
                with mock.patch.object(place, method, noting):
                    await use(primitive)
                assert len(called) == 1
                await use(primitive)
                assert len(called) == 1
        assert not primitive.locked()

    run(main)


@pytest.mark.parametrize("stock_lock", [True, False])
def test_a_condition_takes_any_lock(run, vocabulary, stock_lock):
    async def main():
        lock = (asyncio if stock_lock else vocabulary).Lock()
        conditions = [vocabulary.Condition(lock) for _ in range(2)]
        woken = []

        async def wait(number):
            async with conditions[number]:
                await conditions[number].wait()
                woken.append(number)

        tasks = [asyncio.create_task(wait(number)) for number in range(2)]
        await turns()
        async with lock:
            conditions[1].notify_all()
        await tasks[1]
        async with lock:
            conditions[0].notify_all()
        await tasks[0]
        assert woken == [1, 0]

    run(main)


def test_a_cancelled_wait_has_its_lock_again(run, vocabulary):
    async def main():
        condition = vocabulary.Condition()
        seen = []

        async def wait():
            async with condition:
                try:
                    await condition.wait()
                finally:
                    seen.append(condition.locked())

        waiting = asyncio.create_task(wait())
        await turns()
        async with condition:
            waiting.cancel()
            await turns()
            assert not seen
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert seen == [True]
        assert not condition.locked()

    run(main)


def test_a_lock_given_to_a_cancelled_task_goes_to_the_next(run, vocabulary):
    async def main():
        for primitive in (vocabulary.Lock(), vocabulary.Semaphore(1)):
            await primitive.acquire()
            first, second = (asyncio.create_task(primitive.acquire()) for _ in range(2))
            await turns()
            primitive.release()
            first.cancel()
            assert await second is True
            assert first.cancelled()

    run(main)


def test_a_semaphore_of_any_number(run, vocabulary):
    async def main():
        semaphore = vocabulary.Semaphore(math.inf)
        async with semaphore:
            assert semaphore._value == math.inf
        with pytest.raises(ValueError, match="must be >= 0"):
            vocabulary.Semaphore(-1)

    run(main)


def test_errors_of_misuse(run, vocabulary):
    async def main():
        with pytest.raises(RuntimeError, match="Lock is not acquired"):
            vocabulary.Lock().release()
        with pytest.raises(ValueError, match="released too many times"):
            vocabulary.BoundedSemaphore().release()
        with pytest.raises(RuntimeError, match="cannot wait on un-acquired lock"):
            await vocabulary.Condition().wait()
        with pytest.raises(RuntimeError, match="cannot notify on un-acquired lock"):
            vocabulary.Condition().notify()
        with pytest.raises(TypeError):
            vocabulary.Lock(1)

    run(main)


@pytest.mark.parametrize(
    "name, method", [("Lock", "acquire"), ("Event", "wait"), ("Condition", "wait"), ("Semaphore", "acquire")]
)
def test_never_awaited(vocabulary, name, method):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(getattr(vocabulary, name)(), method)()
        gc.collect()
    assert [str(each.message) for each in caught] == [f"coroutine '{name}.{method}' was never awaited"]


@pytest.mark.parametrize("name", ["Event", "Lock", "Semaphore", "Condition"])
def test_collected_with_those_who_wait(run, vocabulary, name):
    async def main():
        primitive = getattr(vocabulary, name)()

        async def wait():
            if name == "Event":
                await primitive.wait()  # noqa: F821
            elif name == "Condition":
                async with primitive:  # noqa: F821
                    await primitive.wait()  # noqa: F821
            else:
                async with primitive, primitive:  # noqa: F821
                    pass

        # Nobody but the waiting coroutine, and the future that it waits for, knows of it.
        waiting = wait()
        waiting.send(None)
        gone = weakref.ref(primitive)
        del primitive, waiting, wait
        gc.collect()
        assert gone() is None

    run(main)
