"""Locks and their like, beyond what CPython's suite asks: subclasses, other locks and loops, garbage."""

import asyncio
import copy
import gc
import inspect
import math
import types
import warnings
import weakref
from decimal import Decimal
from fractions import Fraction

import pytest
from conftest import needs_ironloop
from support import turns

NAMES = ("Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore")


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


@pytest.mark.parametrize("name", ["Lock", "Semaphore", "Condition"])
def test_a_bound_special_method_is_like_any_other(run, vocabulary, name):
    async def main():
        primitive = getattr(vocabulary, name)()
        enter, leave = primitive.__aenter__, primitive.__aexit__
        assert inspect.ismethod(enter) and inspect.iscoroutinefunction(enter)
        assert enter.__self__ is primitive and enter.__func__ is type(primitive).__aenter__
        assert repr(enter) == repr(types.MethodType(type(primitive).__aenter__, primitive))
        assert enter == primitive.__aenter__ == types.MethodType(type(primitive).__aenter__, primitive)
        assert enter != leave and enter != 1
        assert hash(enter) == hash(primitive.__aenter__)
        assert copy.copy(enter) == enter
        with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
            enter(1)
        with pytest.raises(TypeError, match="'<' not supported"):
            assert enter < leave

        class Holder:
            go_in = enter
            go_out = leave

        for arguments, keywords in [((None, None, None), {}), ((None,), {"exc": None, "tb": None})]:
            await Holder().go_in()
            assert primitive.locked()
            await Holder().go_out(*arguments, **keywords)
            assert not primitive.locked()

    run(main)


@pytest.mark.parametrize("name", ["Lock", "Semaphore", "Condition"])
def test_collected_with_its_own_bound_method(vocabulary, name):
    class Named(getattr(vocabulary, name)):
        pass

    primitive = Named()
    gone = weakref.ref(primitive)
    primitive.enter = primitive.__aenter__
    del primitive
    gc.collect()
    assert gone() is None


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
