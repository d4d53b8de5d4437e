"""Contexts that are entered already, and those in which timers and timeouts run."""

import asyncio
import contextvars

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
