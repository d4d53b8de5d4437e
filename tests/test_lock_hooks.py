"""Methods of locks that a subclass or a tool replaces, and who waits: asyncio's code reads both by name."""

import asyncio
import contextlib
import gc
import weakref
from unittest import mock

import pytest
from support import PATIENCE, turns


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


def test_private_methods_of_a_subclass_are_called(run, vocabulary):
    called = []

    class Noting:
        def _get_loop(self):
            called.append("_get_loop")
            return super()._get_loop()

        def _wake_up_first(self):
            called.append("_wake_up_first")
            super()._wake_up_first()

        def _wake_up_next(self):
            called.append("_wake_up_next")
            return super()._wake_up_next()

    def names():
        found = list(called)
        called.clear()
        return found

    async def main():
        for name, wakes in [("Lock", "_wake_up_first"), ("Semaphore", "_wake_up_next")]:
            primitive = type(name, (Noting, getattr(vocabulary, name)), {})()
            await primitive.acquire()
            waiting = asyncio.create_task(primitive.acquire())
            await turns()
            assert names() == ["_get_loop"]
            primitive.release()
            assert names() == [wakes]
            assert await waiting is True

    run(main)


@pytest.mark.skipif(not hasattr(asyncio.Condition, "_notify"), reason="from some Python 3.12 on")
def test_notify_of_a_subclass_is_called(run, vocabulary):
    class Noting(vocabulary.Condition):
        numbers = ()

        def _notify(self, n):
            self.numbers += (n,)
            super()._notify(n)

    async def main():
        condition = Noting()

        async def wait():
            async with condition:
                await condition.wait()

        tasks = [asyncio.create_task(wait()) for _ in range(4)]
        await turns()
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        async with condition:
            condition.notify()
        await tasks[1]
        async with condition:
            condition.notify_all()
        await asyncio.gather(*tasks[2:])
        # The first is of the wait that was cancelled: it passes on what it may have got.
        assert condition.numbers == (1, 1, 2)

    run(main)


@pytest.mark.parametrize("name", ["Lock", "Semaphore"])
def test_who_waits_may_be_put_in_another_order(run, vocabulary, name):
    async def main():
        primitive = getattr(vocabulary, name)()
        assert primitive._waiters is None
        got = []

        async def use(number):
            async with primitive:
                got.append(number)

        await primitive.acquire()
        tasks = [asyncio.create_task(use(number)) for number in range(5)]
        await turns()
        waiters = primitive._waiters
        assert len(waiters) == 5
        assert repr(primitive).endswith("[locked, waiters:5]>")
        waiters.rotate(1)
        waiters.append(waiters.popleft())
        waiters.appendleft(waiters.pop())
        waiters.reverse()
        primitive.release()
        await asyncio.gather(*tasks)
        assert got == [3, 2, 1, 0, 4]
        assert primitive._waiters is waiters and not waiters

    run(main)


def test_a_semaphore_that_lets_in_the_last_one_first(run, vocabulary):
    class LastFirst(vocabulary.Semaphore):
        def _wake_up_next(self):
            for future in reversed(self._waiters or ()):
                if not future.done():
                    self._value -= 1
                    future.set_result(True)
                    return True
            return False

    async def main():
        semaphore = LastFirst(2)
        got = []

        async def use(number):
            async with semaphore:
                got.append(number)
                await turns(1)

        await asyncio.gather(*(use(number) for number in range(6)))
        assert got == [0, 1, 5, 4, 3, 2]
        assert semaphore._value == 2

    run(main)


def test_all_are_woken_though_somebody_looks_at_the_line_meanwhile(loop_factory, vocabulary):
    """A loop's own `call_soon` may look, and so may a number's comparison."""
    looks = []
    woken = []

    with contextlib.closing(loop_factory()) as other:
        common = type(other)

    class Nosy(common):
        def call_soon(self, callback, *args, context=None):
            looks.extend(len(line()) for line in looking)
            return super().call_soon(callback, *args, context=context)

    looking = []

    class All:
        """As many as there are."""

        def __init__(self, condition):
            self.condition = condition

        def __le__(self, other):
            return len(self.condition._waiters) < 0

        def __gt__(self, other):
            return not self <= other

    async def main():
        event, condition = vocabulary.Event(), vocabulary.Condition()

        async def wait_for_event(number):
            await event.wait()
            woken.append(number)

        async def wait_in_line(number):
            async with condition:
                await condition.wait()
            woken.append(number)

        tasks = [asyncio.ensure_future(wait_for_event(number)) for number in range(4)]
        await turns(2)
        looking.append(lambda: event._waiters)
        event.set()
        looking.clear()
        await asyncio.wait(tasks)
        assert woken == [0, 1, 2, 3]
        woken.clear()
        tasks = [asyncio.ensure_future(wait_in_line(number)) for number in range(4)]
        await turns(8)
        async with condition:
            condition.notify(All(condition))
        await asyncio.wait(tasks)
        assert woken == [0, 1, 2, 3]

    with contextlib.closing(Nosy()) as loop:
        loop.run_until_complete(main())
    assert looks


@pytest.mark.parametrize("kind", ["Lock", "Queue"])
def test_who_joins_and_leaves_a_line_while_it_is_made_for_those_who_look(run, vocabulary, kind):
    """Up to Python 3.11 the collector may come with any object that is made, and take a waiter along."""

    class Node:
        pass

    async def main():
        primitive = getattr(vocabulary, kind)()
        wait = primitive.acquire if kind == "Lock" else primitive.get
        if kind == "Lock":
            await wait()
        garbage = Node()
        garbage.itself = garbage
        garbage.waiting = wait()
        garbage.waiting.send(None)
        waiting = asyncio.ensure_future(wait())
        await turns(2)
        gone = weakref.ref(garbage)
        thresholds, enabled = gc.get_threshold(), gc.isenabled()
        gc.disable()
        del garbage
        gc.set_threshold(1, 1, 1)
        gc.enable()
        _ = primitive._waiters if kind == "Lock" else primitive._getters
        gc.disable()
        gc.set_threshold(*thresholds)
        if enabled:
            gc.enable()
        gc.collect()
        assert gone() is None
        if kind == "Lock":
            primitive.release()
        else:
            primitive.put_nowait(5)
        assert await asyncio.wait_for(waiting, PATIENCE) in (True, 5)

    run(main)
