"""Contexts that are entered already, and those in which timers and timeouts run."""

import asyncio
import contextvars
import gc
import sys
import weakref

import ironloop
import pytest
from conftest import needs_ironloop
from support import until

variable = contextvars.ContextVar("variable", default="default")


@pytest.fixture
def errors(loop):
    """The exceptions of the loop's handler."""
    errors = []
    loop.set_exception_handler(lambda loop, about: errors.append(about["exception"]))
    return errors


def run_inside(context, loop, seconds=0.01):
    loop.call_later(seconds, loop.stop, context=contextvars.Context())
    context.run(loop.run_forever)


@pytest.mark.parametrize("debug", [False, True])
def test_a_callback_of_the_context_around_the_loop_does_not_run(loop, debug, caplog):
    """Nor does it run in another: what it sets would be lost without a word."""
    loop.set_debug(debug)
    context, ran = contextvars.copy_context(), []
    loop.call_soon(ran.append, "soon", context=context)
    loop.call_later(0.001, ran.append, "later", context=context)
    loop.call_soon_threadsafe(ran.append, "from a thread", context=context)
    run_inside(context, loop)
    assert ran == []
    assert caplog.text.count("is already entered") >= 3


def test_a_task_of_the_context_around_the_loop_never_runs(loop, errors, caplog):
    context, ran = contextvars.copy_context(), []

    async def child():
        ran.append("child")

    task = loop.create_task(child(), context=context)
    run_inside(context, loop)
    assert ran == []
    assert not task.done()
    # asyncio runs the handler in the same context, and trips a second time.
    said = [str(error) for error in errors] + [caplog.text]
    assert any("is already entered" in text for text in said)
    loop.run_until_complete(asyncio.wait([task], timeout=0.001))
    assert not task.done()
    task._log_destroy_pending = False
    task.get_coro().close()


def test_a_loop_that_runs_inside_a_context_has_tasks_in_copies_of_it(loop, errors):
    async def main():
        variable.set("main's")
        await asyncio.gather(asyncio.sleep(0.001), until(lambda: True))
        return variable.get()

    assert contextvars.copy_context().run(loop.run_until_complete, main()) == "main's"
    assert errors == []


# Nested loops: the caller stands still there, and may have entered the context.


@pytest.fixture
def nested():
    loop = ironloop.new_event_loop(nested=True, native=True)
    yield loop
    loop.close()


@needs_ironloop
def test_in_a_nested_run_a_task_of_the_callers_context_keeps_what_it_sets(nested):
    """Each step finds what the last one has set; the caller does not. (ipykernel runs all cells so.)"""
    context = contextvars.copy_context()

    async def cell():
        assert variable.get() == "the caller's"
        variable.set("the task's")
        for _ in range(3):
            await asyncio.sleep(0)
            assert variable.get() == "the task's"
        await asyncio.sleep(0.001)
        return variable.get()

    async def main():
        variable.set("the caller's")
        task = nested.create_task(cell(), context=context)
        assert nested.run_until_complete(task) == "the task's"
        assert variable.get() == "the caller's"
        await task
        return variable.get()

    assert nested.run_until_complete(nested.create_task(main(), context=context)) == "the caller's"
    assert context[variable] == "the caller's"


@needs_ironloop
def test_in_a_nested_run_two_tasks_of_one_context_have_a_copy_each(nested):
    context = contextvars.copy_context()

    async def child(name):
        variable.set(name)
        await asyncio.sleep(0)
        return variable.get()

    async def main():
        tasks = [nested.create_task(child(name), context=context) for name in "ab"]
        return nested.run_until_complete(asyncio.gather(*tasks))

    assert nested.run_until_complete(nested.create_task(main(), context=context)) == ["a", "b"]


@needs_ironloop
def test_a_nested_loop_that_nothing_nests_in_uses_the_context_itself(nested):
    context = contextvars.copy_context()

    async def child():
        variable.set("set")
        await asyncio.sleep(0)

    nested.run_until_complete(nested.create_task(child(), context=context))
    assert context[variable] == "set"


# Timers and timeouts


def cancellable(loop, seen):
    """A future whose cancellation notes the variable."""

    class Future(asyncio.Future):
        def cancel(self, msg=None):
            seen.append(variable.get())
            return super().cancel(msg)

    return Future(loop=loop)


@pytest.mark.parametrize("way", ["timeout", "wait_for", "call_later", "reschedule"])
def test_what_a_timer_calls_runs_in_the_context_of_its_making(run, vocabulary, way):
    seen = []

    async def wait(loop):
        future = cancellable(loop, seen)
        variable.set("when it was set")
        if way == "timeout":
            async with vocabulary.timeout(0.005):
                variable.set("later")
                await future
        elif way == "reschedule":
            variable.set("before")
            async with vocabulary.timeout(3600) as timeout:
                variable.set("when it was set")
                timeout.reschedule(loop.time() + 0.005)
                variable.set("later")
                await future
        elif way == "wait_for":

            async def inner():
                variable.set("later")
                await future

            await vocabulary.wait_for(inner(), 0.005)
        else:
            loop.call_later(0.005, future.cancel)
            variable.set("later")
            await future

    async def main():
        with pytest.raises((TimeoutError, asyncio.CancelledError)):
            await wait(asyncio.get_running_loop())

    run(main)
    assert seen[0] == "when it was set"


# What a callback without a context= runs in is its own.


@pytest.mark.parametrize("schedule", ["call_soon", "call_later", "call_soon_threadsafe"])
def test_what_one_callback_sets_no_other_sees(loop, schedule):
    seen = []

    def callback(value):
        seen.append((variable.get(), [*contextvars.copy_context().items()]))
        variable.set(value)
        seen.append(variable.get())

    def main():
        arguments = (0.001,) if schedule == "call_later" else ()
        for value in range(3):
            getattr(loop, schedule)(*arguments, callback, value)
        variable.set("too late")

    contextvars.Context().run(main)
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    assert seen == [("default", []), 0, ("default", []), 1, ("default", []), 2]


@needs_ironloop
@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="free-threaded, each has its own"
)
def test_callbacks_that_wait_make_no_contexts():
    loop = ironloop.new_event_loop(native=True)

    def count():
        return sum(type(known) is contextvars.Context for known in gc.get_objects())

    before = count()
    handles = [schedule(int) for schedule in [loop.call_soon, loop.call_soon_threadsafe] * 10]
    handles += [loop.call_later(0, int) for _ in range(10)]
    assert count() == before
    assert len({id(handle._context) for handle in handles}) == len(handles)
    assert count() == before + len(handles)
    loop.close()


def test_a_callback_runs_with_what_was_set_when_it_was_scheduled(loop):
    seen = []

    def main():
        for value in range(3):
            variable.set(value)
            loop.call_soon(lambda: seen.append(variable.get()))
            loop.call_later(0.001, lambda: seen.append(variable.get()))

    contextvars.copy_context().run(main)
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    assert seen == [0, 1, 2] * 2


def test_who_keeps_something_of_a_callbacks_context_keeps_that_context(loop):
    tokens, references, copies, watched = [], [], [], []

    def keep_a_token():
        tokens.append(variable.set("of the token"))

    def keep_a_weak_reference():
        # The collector's way to what has no name.
        for context in gc.get_referents(variable.set("of the reference")):
            if isinstance(context, contextvars.Context):
                references.append(weakref.ref(context, watched.append))

    def keep_a_copy():
        variable.set("of the copy")
        copies.append(contextvars.copy_context())

    for callback in (keep_a_token, keep_a_weak_reference, keep_a_copy) * 2:
        loop.call_soon(callback)
    loop.call_soon(loop.stop)
    loop.run_forever()
    contexts = [held for token in tokens for held in gc.get_referents(token) if hasattr(held, "run")]
    assert [context[variable] for context in contexts] == ["of the token"] * 2
    assert contexts[0] is not contexts[1]
    # As soon as their callbacks have run.
    assert [reference() for reference in references] == [None, None]
    assert watched == references
    assert [context[variable] for context in copies] == ["of the copy"] * 2


def test_a_token_is_good_in_its_own_callback_only(loop, errors):
    tokens = []

    def use():
        variable.reset(tokens[0])

    loop.call_soon(lambda: tokens.append(variable.set("set")))
    loop.call_soon(use)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert [type(error) for error in errors] == [ValueError]
    assert "different Context" in str(errors[0])


def test_a_handle_shows_the_context_that_its_callback_runs_in(loop):
    before, during = [], []

    def scheduled():
        variable.set("scheduled")
        return loop.call_soon(callback)

    def callback():
        variable.set("run")
        during.append(handle._context)
        with pytest.raises(RuntimeError, match="already entered"):
            handle._context.run(int)

    handle = contextvars.Context().run(scheduled)
    before.append(handle._context)
    assert handle._context[variable] == "scheduled"
    assert handle._context is before[0]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert handle._context[variable] == "run"
    assert before == during == [handle._context]
    assert before[0] is during[0] is handle._context


def test_a_handle_that_is_asked_in_its_callback_or_later_shows_the_same(loop):
    handles, during = [], []

    def callback():
        variable.set(len(during))
        during.append(handles[len(during)]._context)

    handles += [loop.call_soon(callback) for _ in range(2)]
    silent = loop.call_soon(variable.set, "silent")
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert [handle._context for handle in handles] == during
    assert [handle._context[variable] for handle in handles] == [0, 1]
    assert silent._context[variable] == "silent"


def test_what_a_callback_has_set_dies_with_it(loop):
    class Value:
        pass

    references, alive = [], []

    def callback():
        value = Value()
        references.append(weakref.ref(value))
        variable.set(value)

    for _ in range(3):
        loop.call_soon(callback)
        loop.call_soon(lambda: alive.append(references[-1]() is not None))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert alive == [False] * 3


def test_what_was_set_as_a_callback_was_scheduled_dies_with_the_callback(loop):
    class Value:
        pass

    alive = []

    def main():
        value = Value()
        reference = weakref.ref(value)
        variable.set(value)
        loop.call_soon(int)
        handle = loop.call_later(3600, int)
        variable.set(None)
        return reference, handle

    reference, handle = contextvars.Context().run(main)
    assert reference() is not None
    handle.cancel()
    del handle
    loop.call_soon(lambda: alive.append(reference() is not None), context=contextvars.Context())
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert alive == [False]


def test_garbage_that_leads_through_what_is_set_is_found(loop):
    class Value:
        pass

    def main():
        value = Value()
        variable.set(value)
        value.handle = loop.call_later(3600, int)
        return weakref.ref(value), value.handle

    reference, handle = contextvars.Context().run(main)
    handle.cancel()
    del handle
    # asyncio clears it away in a turn.
    loop.call_soon(loop.stop)
    loop.run_forever()
    gc.collect()
    assert reference() is None


@needs_ironloop
def test_callbacks_that_run_the_loop_have_contexts_of_their_own(nested):
    seen = []

    def inner():
        seen.append(variable.get())
        variable.set("inner")

    def outer():
        variable.set("outer")
        nested.call_soon(inner)
        nested.call_soon(inner)
        nested.run_until_complete(asyncio.sleep(0.001))
        seen.append(variable.get())

    for _ in range(2):
        nested.call_soon(outer)
    nested.call_later(0.05, nested.stop)
    nested.run_forever()
    assert seen == ["outer"] * 6


# A context= that is none


@needs_ironloop
@pytest.mark.parametrize("wrong", [{}, 3, "context", object()], ids=repr)
def test_a_context_that_is_none_is_refused_at_the_call(wrong):
    """Better than asyncio: it trips over it in its turn. (Tasks: refused from Python 3.13.18 and 3.15 on.)"""
    loop = ironloop.new_event_loop(native=True)

    async def child():
        pass

    async def main():
        coroutine = child()
        future = loop.create_future()
        async with ironloop.TaskGroup() as group:
            for make in (
                lambda: loop.create_task(coroutine, context=wrong),
                lambda: ironloop.Task(coroutine, loop=loop, context=wrong),
                lambda: ironloop.create_task(coroutine, context=wrong),
                lambda: group.create_task(coroutine, context=wrong),
                lambda: loop.call_soon(int, context=wrong),
                lambda: loop.call_later(0, int, context=wrong),
                lambda: loop.call_at(0, int, context=wrong),
                lambda: loop.call_soon_threadsafe(int, context=wrong),
                lambda: future.add_done_callback(int, context=wrong),
            ):
                with pytest.raises(TypeError, match=r"a contextvars\.Context was expected, got "):
                    make()
        await coroutine

    loop.run_until_complete(main())
    loop.close()
