"""Locks and their like, beyond what CPython's suite asks: subclasses, other locks and loops, garbage."""

import asyncio
import gc
import inspect
import math
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
    "value", [2**63 - 1, 2**70, Decimal("2.50"), Fraction(5, 3), 1.0, True], ids=lambda value: repr(value)
)
def test_a_semaphore_counts_exactly(run, vocabulary, value):
    async def main():
        semaphore = vocabulary.Semaphore(value)
        assert repr(semaphore._value) == repr(value)
        semaphore.release()
        assert repr(semaphore._value) == repr(value + 1)
        await semaphore.acquire()
        await semaphore.acquire()
        assert repr(semaphore._value) == repr(value + 1 - 1 - 1)
        bounded = vocabulary.BoundedSemaphore(value)
        assert repr(bounded._bound_value) == repr(value)
        await bounded.acquire()
        bounded.release()
        with pytest.raises(ValueError):
            bounded.release()

    run(main)


def test_values_that_a_program_sets(run, vocabulary):
    async def main():
        lock, event = vocabulary.Lock(), vocabulary.Event()
        lock._locked = 1
        assert (repr(lock._locked), repr(lock.locked())) == ("1", "1")
        lock.release()
        assert lock._locked is False
        event._value = "x"
        assert (event._value, event.is_set(), await event.wait()) == ("x", "x", True)
        event._value = ""
        waiting = asyncio.create_task(event.wait())
        await turns()
        event.set()
        assert await waiting is True
        with pytest.raises(AttributeError, match=r"^'Semaphore' object has no attribute '_bound_value'$"):
            _ = vocabulary.Semaphore(1)._bound_value

    run(main)


def test_numbers_that_are_none(run, vocabulary):
    async def main():
        for name in ("Semaphore", "BoundedSemaphore"):
            with pytest.raises(TypeError, match=r"^'<' not supported between instances of 'str' and 'int'$"):
                getattr(vocabulary, name)("3")
        condition = vocabulary.Condition()
        async with condition:
            # Nobody waits: nothing is compared.
            condition.notify(None)
            condition.notify("a")

        async def wait():
            async with condition:
                await condition.wait()

        tasks = [asyncio.create_task(wait()) for _ in range(3)]
        await turns()
        async with condition:
            with pytest.raises(TypeError, match=r"^'>=' not supported between instances of 'int' and 'str'$"):
                condition.notify("a")
            condition.notify(-1)
            condition.notify(1.5)
        await asyncio.gather(*tasks[:2])
        await turns()
        assert not tasks[2].done()
        async with condition:
            condition.notify(2**70)
        await tasks[2]

    run(main)


@pytest.mark.parametrize(
    "name, method, attribute",
    [
        ("Lock", "acquire", "_locked"),
        ("Lock", "release", "_locked"),
        ("Event", "wait", "_value"),
        ("Semaphore", "acquire", "_value"),
        ("Condition", "wait", "locked"),
    ],
)
def test_a_subclass_that_does_not_initialise(run, vocabulary, name, method, attribute):
    class Hasty(getattr(vocabulary, name)):
        def __init__(self):
            pass

    async def main():
        with pytest.raises(AttributeError, match=rf"^'Hasty' object has no attribute '{attribute}'$"):
            await getattr(Hasty(), method)()

    run(main)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda module: module.Lock(1), "Lock.__init__() takes 1 positional argument but 2 were given"),
        (
            lambda module: module.Semaphore(1, 2),
            "Semaphore.__init__() takes from 1 to 2 positional arguments but 3 were given",
        ),
        (
            lambda module: module.BoundedSemaphore().release(1, 2),
            "BoundedSemaphore.release() takes 1 positional argument but 3 were given",
        ),
        (
            lambda module: module.Event().is_set(now=True),
            "Event.is_set() got an unexpected keyword argument 'now'",
        ),
    ],
)
def test_wrong_arguments(run, vocabulary, call, text):
    async def main():
        with pytest.raises(TypeError) as found:
            call(vocabulary)
        assert str(found.value) == text

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


@pytest.mark.parametrize("attribute", ["_value", "_bound_value", "_waiters"])
def test_collected_with_what_was_put_there(vocabulary, attribute):
    class Holder(list):
        """Not of a kind that is kept natively, and one that can be referred to weakly."""

    semaphore = vocabulary.BoundedSemaphore()
    holder = Holder([semaphore])
    setattr(semaphore, attribute, holder)
    gone = weakref.ref(holder)
    del semaphore, holder
    gc.collect()
    assert gone() is None
