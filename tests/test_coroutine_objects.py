"""What whoever looks at a native coroutine sees: a coroutine."""

import asyncio
import collections.abc
import copy
import gc
import inspect
import io
import pickle
import sys
import traceback
import types
import warnings
import weakref

import ironloop
import pytest
from conftest import needs_ironloop


async def nothing():
    pass


def all_kinds(vocabulary):
    """One of each, by its qualified name in asyncio; none has begun."""
    event, lock, queue = vocabulary.Event(), vocabulary.Lock(), vocabulary.Queue()
    reader, condition = vocabulary.StreamReader(), vocabulary.Condition()
    timeout = vocabulary.timeout(1)
    return {
        "sleep": vocabulary.sleep(0),
        "wait": vocabulary.wait([asyncio.get_running_loop().create_future()]),
        "wait_for": vocabulary.wait_for(asyncio.get_running_loop().create_future(), 1),
        "Queue.get": queue.get(),
        "Queue.put": queue.put(1),
        "Lock.acquire": lock.acquire(),
        "_ContextManagerMixin.__aenter__": lock.__aenter__(),
        "_ContextManagerMixin.__aexit__": lock.__aexit__(None, None, None),
        "Event.wait": event.wait(),
        "Semaphore.acquire": vocabulary.Semaphore().acquire(),
        "Condition.wait": condition.wait(),
        "Timeout.__aenter__": timeout.__aenter__(),
        "Timeout.__aexit__": timeout.__aexit__(None, None, None),
        "StreamReader.read": reader.read(),
        "StreamReader.readexactly": reader.readexactly(1),
        "StreamReader.readuntil": reader.readuntil(),
        "StreamReader.readline": reader.readline(),
        "StreamReader.__anext__": reader.__anext__(),
    }


def of_all(run, vocabulary, check):
    async def main():
        for name, coroutine in all_kinds(vocabulary).items():
            await check(name, coroutine)
            coroutine.close()

    run(main)


def test_it_is_a_coroutine_to_all_who_ask(run, vocabulary):
    async def check(name, coroutine):
        assert inspect.iscoroutine(coroutine)
        assert inspect.isawaitable(coroutine)
        assert asyncio.iscoroutine(coroutine)
        assert isinstance(coroutine, types.CoroutineType)
        assert coroutine.__class__ is types.CoroutineType
        assert isinstance(coroutine, collections.abc.Coroutine)
        assert not inspect.isgenerator(coroutine)

    of_all(run, vocabulary, check)


def test_it_is_nothing_to_iterate(run, vocabulary):
    """`list(x) if isinstance(x, Iterable) else [x]` would run it."""

    async def check(name, coroutine):
        for kind in "Iterable", "Iterator", "Generator", "AsyncIterable":
            assert not isinstance(coroutine, getattr(collections.abc, kind))
        assert not hasattr(coroutine, "__iter__")
        assert not hasattr(coroutine, "__next__")
        for use in iter, list, lambda coroutine: [*coroutine], lambda coroutine: 1 in coroutine:
            with pytest.raises(TypeError, match="coroutine"):
                use(coroutine)
        assert inspect.getcoroutinestate(coroutine) == "CORO_CREATED"

    of_all(run, vocabulary, check)


def test_its_code_and_frame_are_those_of_asyncios_function(run, vocabulary):
    async def check(name, coroutine):
        assert coroutine.__qualname__ == name
        assert coroutine.__name__ == coroutine.cr_code.co_name == name.split(".")[-1]
        assert coroutine.cr_code.co_qualname == name
        frame = coroutine.cr_frame
        assert isinstance(frame, types.FrameType)
        assert frame is coroutine.cr_frame
        assert frame.f_code is coroutine.cr_code
        assert frame.f_back is None
        lines = [line for *_, line in coroutine.cr_code.co_lines() if line is not None]
        assert frame.f_lineno in lines
        assert [(frame, frame.f_lineno)] == list(traceback.walk_stack(frame))
        assert set(inspect.getcoroutinelocals(coroutine)) <= set(coroutine.cr_code.co_varnames)
        coroutine.close()
        assert coroutine.cr_frame is None
        assert coroutine.cr_code.co_qualname == name
        assert inspect.getcoroutinestate(coroutine) == "CORO_CLOSED"

    of_all(run, vocabulary, check)


def test_it_can_be_referred_to_weakly(run, vocabulary):
    async def check(name, coroutine):
        gone = []
        weak = weakref.ref(coroutine, gone.append)
        assert weak() is coroutine
        dropped = vocabulary.Event().wait()
        weak = weakref.ref(dropped, gone.append)
        dropped.close()
        del dropped
        assert gone == [weak]

    of_all(run, vocabulary, check)


def test_memory_that_is_used_again_has_no_weak_references(run, vocabulary):
    async def main():
        event = vocabulary.Event()
        event.set()
        for _ in range(10):
            coroutine = event.wait()
            assert weakref.getweakrefcount(coroutine) == 0
            weak = weakref.ref(coroutine)
            await coroutine
            del coroutine
            assert weak() is None

    run(main)


def test_it_can_be_renamed(run, vocabulary):
    async def check(name, coroutine):
        coroutine.__name__, coroutine.__qualname__ = "name", "path.name"
        assert (coroutine.__name__, coroutine.__qualname__) == ("name", "path.name")
        assert repr(coroutine).startswith("<coroutine object path.name at 0x")
        for attribute in "__name__", "__qualname__":
            with pytest.raises(TypeError, match=f"{attribute} must be set to a string object"):
                setattr(coroutine, attribute, 1)
            with pytest.raises(TypeError, match=f"{attribute} must be set to a string object"):
                delattr(coroutine, attribute)
        for attribute in "cr_frame", "cr_await", "cr_running", "cr_code", "cr_origin", "cr_suspended":
            with pytest.raises(AttributeError):
                setattr(coroutine, attribute, None)

    of_all(run, vocabulary, check)


def test_the_warning_says_the_new_name(run, vocabulary):
    async def main():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            coroutine = vocabulary.sleep(0)
            coroutine.__qualname__ = "renamed"
            del coroutine
        assert "coroutine 'renamed' was never awaited" in str(caught[0].message)

    run(main)


def test_it_cannot_be_copied_or_pickled(run, vocabulary):
    async def check(name, coroutine):
        for use in copy.copy, copy.deepcopy, pickle.dumps:
            with pytest.raises(TypeError, match="cannot pickle 'coroutine' object"):
                use(coroutine)

    of_all(run, vocabulary, check)


def test_its_state(run, vocabulary):
    async def main():
        lock, states = vocabulary.Lock(), []

        class Asking(vocabulary.Queue):
            def _get(self):
                states.append((inspect.getcoroutinestate(self.getting), self.getting.cr_running))
                return super()._get()

        queue = Asking()
        getting = queue.getting = queue.get()
        assert not getting.cr_running and not getting.cr_suspended
        assert getting.cr_await is None
        task = asyncio.create_task(getting)
        await asyncio.sleep(0)
        assert inspect.getcoroutinestate(getting) == "CORO_SUSPENDED"
        assert getting.cr_suspended and not getting.cr_running
        assert getting.cr_frame.f_code is getting.cr_code
        queue.put_nowait(1)
        assert await task == 1
        assert states == [("CORO_RUNNING", True)]
        assert inspect.getcoroutinestate(getting) == "CORO_CLOSED"
        assert getting.cr_await is None
        await lock.acquire()

    run(main)


def awaited(coroutine):
    """What lies below a coroutine, outermost first."""
    names = []
    while hasattr(coroutine, "cr_await"):
        names.append(coroutine.__name__)
        coroutine = coroutine.cr_await
    return names, coroutine


def future_of(iterator):
    (future,) = [held for held in gc.get_referents(iterator) if asyncio.isfuture(held)]
    return future


def test_what_it_awaits(run, vocabulary):
    async def main():
        queue, event = vocabulary.Queue(), vocabulary.Event()

        async def get():
            return await queue.get()

        async def wait():
            async with vocabulary.timeout(10):
                await event.wait()

        reader = vocabulary.StreamReader()
        for begin, names in (
            (get, ["get", "get"]),
            (wait, ["wait", "wait"]),
            (lambda: reader.read(1), ["read", "_wait_for_data"]),
            (lambda: vocabulary.sleep(10), ["sleep"]),
        ):
            task = asyncio.create_task(begin())
            await asyncio.sleep(0)
            found, last = awaited(task.get_coro())
            # asyncio's own may need a coroutine more for it.
            assert found == names[: len(found)]
            assert future_of(last) is task._fut_waiter
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="wait_for makes a task")
@pytest.mark.usefixtures("without_debug")
def test_what_wait_for_awaits(run, vocabulary):
    async def main():
        queue = vocabulary.Queue()
        task = asyncio.create_task(vocabulary.wait_for(queue.get(), 10))
        await asyncio.sleep(0)
        names, last = awaited(task.get_coro())
        assert names == ["wait_for", "get"]
        assert future_of(last) is task._fut_waiter
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="wait_for makes a task")
def test_what_asyncios_own_coroutine_does_in_its_place_is_seen_as_its_own(run, vocabulary):
    """A timeout of 0 is such a case."""

    async def main():
        cleanup = asyncio.get_running_loop().create_future()

        async def slow():
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await cleanup

        inner = asyncio.create_task(slow())
        await asyncio.sleep(0)
        task = asyncio.create_task(vocabulary.wait_for(inner, 0))
        await asyncio.sleep(0)
        names, _ = awaited(task.get_coro())
        assert names == ["wait_for", "_cancel_and_wait"]
        assert task.get_coro().cr_frame.f_locals["timeout"] == 0
        cleanup.set_result(None)
        with pytest.raises(TimeoutError):
            await task

    run(main)


def test_a_task_shows_its_stack(run, vocabulary):
    async def main():
        task = asyncio.create_task(vocabulary.Queue().get())
        await asyncio.sleep(0)
        (frame,) = task.get_stack()
        assert frame.f_code.co_qualname == "Queue.get"
        output = io.StringIO()
        task.print_stack(file=output)
        assert ", in get" in output.getvalue()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="came with Python 3.14")
def test_the_call_graph_goes_through_it(run, vocabulary):
    async def main():
        queue = vocabulary.Queue()

        async def get():
            return await vocabulary.wait_for(queue.get(), 10)

        task = asyncio.create_task(get())
        await asyncio.sleep(0)
        graph = asyncio.capture_call_graph(task)
        assert [entry.frame.f_code.co_name for entry in graph.call_stack] == ["get", "wait_for", "get"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


def test_its_awaits_are_iterators_around_it(run, vocabulary):
    async def main():
        event = vocabulary.Event()
        event.set()
        waiting = event.wait()
        wrapper = waiting.__await__()
        assert wrapper is not waiting
        assert type(wrapper).__name__ == "coroutine_wrapper"
        assert iter(wrapper) is wrapper
        assert isinstance(wrapper, collections.abc.Iterator)
        with pytest.raises(StopIteration) as stop:
            wrapper.send(None)
        assert stop.value.value is True
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            next(wrapper)
        wrapper.close()

        waiting = vocabulary.Event().wait()
        wrapper = waiting.__await__()
        future = next(wrapper)
        assert asyncio.isfuture(future)
        with pytest.raises(ZeroDivisionError):
            wrapper.throw(ZeroDivisionError)
        assert inspect.getcoroutinestate(waiting) == "CORO_CLOSED"

        waiting = vocabulary.Event().wait()
        waiting.__await__().close()
        assert inspect.getcoroutinestate(waiting) == "CORO_CLOSED"

    run(main)


def test_an_awaitable_may_hand_it_on(run, vocabulary):
    class Delegates:
        def __await__(self):
            return vocabulary.sleep(0, "result").__await__()

    class YieldsFrom:
        def __await__(self):
            return (yield from vocabulary.sleep(0, "result").__await__())

    async def main():
        assert await Delegates() == "result"
        assert await YieldsFrom() == "result"

    run(main)


def test_only_generators_of_types_coroutine_yield_from_it(run, vocabulary):
    @types.coroutine
    def may():
        return (yield from vocabulary.sleep(0, "result"))

    def may_not(coroutine):
        yield from coroutine

    @types.coroutine
    def returns():
        return vocabulary.sleep(0, "result")

    async def main():
        assert await may() == "result"
        assert await returns() == "result"
        coroutine = vocabulary.sleep(0)
        with pytest.raises(TypeError, match="coroutine"):
            next(may_not(coroutine))
        coroutine.close()

    run(main)


@pytest.mark.usefixtures("without_debug")
def test_its_origin(run, vocabulary):
    def make():
        return vocabulary.sleep(0)

    async def main():
        assert make().cr_origin is None

    def tracked():
        async def main():
            line = sys._getframe().f_lineno + 1
            coroutine = make()
            (file, _, function), (_, second, outer) = coroutine.cr_origin
            assert (file, function, outer) == (__file__, "make", "main")
            assert second == line
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                del coroutine
            text = str(caught[0].message)
            assert text.startswith("coroutine 'sleep' was never awaited\nCoroutine created at (most recent")
            assert "return vocabulary.sleep(0)" in text

        run(main)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(main)
    before = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(2)
    try:
        tracked()
    finally:
        sys.set_coroutine_origin_tracking_depth(before)


def test_debug_mode_says_where_one_was_made_that_nobody_awaited(run, vocabulary):
    async def main():
        asyncio.get_running_loop().set_debug(True)
        await asyncio.sleep(0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            vocabulary.sleep(0)
        assert "Coroutine created at (most recent call last)" in str(caught[0].message)
        assert "vocabulary.sleep(0)" in str(caught[0].message)

    run(main)


@needs_ironloop
def test_what_is_kept_in_its_frame_is_collected():
    class Traced:
        def __call__(self, *event):
            pass

    async def main():
        coroutine = ironloop.sleep(0)
        traced = Traced()
        traced.coroutine, gone = coroutine, weakref.ref(traced)
        coroutine.cr_frame.f_trace = traced
        del coroutine, traced
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
        assert gone() is None

    ironloop.run(main())
