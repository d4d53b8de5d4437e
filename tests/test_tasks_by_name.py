"""`asyncio.Task(…)`, called by its name: what it takes, what it refuses, and whose tasks it makes."""

import asyncio
import contextvars
import functools
import inspect
import sys
import threading
from asyncio import Task as imported_before

import pytest
from conftest import needs_ironloop
from support import PATIENCE

VARIABLE = contextvars.ContextVar("VARIABLE", default="nothing")
needs_eager = pytest.mark.skipif(sys.version_info < (3, 12), reason="came with Python 3.12")


async def answer():
    await asyncio.sleep(0)
    return VARIABLE.get(), asyncio.current_task().get_name()


def in_context(value):
    context = contextvars.copy_context()
    context.run(VARIABLE.set, value)
    return context


def test_each_way_to_call_it(run):
    async def main():
        loop = asyncio.get_running_loop()
        tasks = [
            asyncio.Task(answer(), name="first"),
            asyncio.Task(coro=answer(), loop=loop, name="first", context=None),
            asyncio.Task(*(answer(),), **{"name": "first"}),
            functools.partial(asyncio.Task, loop=loop)(answer(), name="first"),
            asyncio.tasks.Task(answer(), loop=None, name="first"),
            imported_before(answer(), name="first"),
        ]
        assert all(isinstance(task, asyncio.Task) and not task.done() for task in tasks)
        assert asyncio.all_tasks() == {*tasks, asyncio.current_task()}
        assert await asyncio.gather(*tasks) == [("nothing", "first")] * 6
        numbered = asyncio.Task(answer())
        assert numbered.get_name().startswith("Task-")
        assert await numbered == ("nothing", numbered.get_name())
        named = asyncio.Task(answer(), name=7, context=in_context("something"))
        assert await named == ("something", "7")

    run(main)


def test_it_begins_in_its_turn(run):
    order = []

    async def say(what):
        order.append(what)

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(order.append, 1)
        task = asyncio.Task(say(2), loop=loop)
        loop.call_soon(order.append, 3)
        await task
        assert order == [1, 2, 3]

    run(main)


@needs_eager
def test_an_eager_one_begins_at_once_and_may_be_done(run):
    async def main():
        loop, outer, seen = asyncio.get_running_loop(), asyncio.current_task(), []

        async def short():
            seen.append(asyncio.current_task())
            return VARIABLE.get()

        async def failing():
            raise LookupError

        async def long():
            return await future

        task = asyncio.Task(short(), loop=loop, eager_start=True, context=in_context("something"))
        assert task.done() and task.result() == "something"
        assert seen == [task] and asyncio.current_task() is outer
        failed = asyncio.Task(failing(), loop=loop, eager_start=True)
        assert isinstance(failed.exception(), LookupError)
        future = loop.create_future()
        waiting = asyncio.Task(long(), loop=loop, eager_start=True)
        assert not waiting.done() and waiting in asyncio.all_tasks()
        loop.call_soon(future.set_result, 42)
        assert await waiting == 42
        later = asyncio.Task(short(), loop=loop, eager_start=False)
        assert not later.done()
        await later
        cancelled = asyncio.Task(asyncio.Event().wait(), loop=loop, eager_start=True)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled

    run(main)


def test_what_it_refuses(run):
    async def main():
        loop = asyncio.get_running_loop()
        refused = answer()
        for arguments, keywords in [
            ((), {}),
            ((refused, loop), {}),
            ((refused,), {"no_such": 1}),
            ((refused,), {"coro": refused}),
            ((print,), {}),
            ((42,), {"loop": loop}),
            ((refused,), {"loop": "no loop"}),
        ]:
            with pytest.raises((TypeError, AttributeError)):
                asyncio.Task(*arguments, **keywords)
        refused.close()

    run(main)


def test_no_loop_runs(loop_factory):
    refused = answer()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        loop = runner.get_loop()
        task = asyncio.Task(answer(), loop=loop, name="before it runs")
        assert loop.run_until_complete(task) == ("nothing", "before it runs")
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        asyncio.Task(refused, loop=loop)._log_destroy_pending = False
    refused.close()


def test_a_class_below_it_is_what_it_is(run):
    class Mine(asyncio.Task):
        def __init__(self, coroutine, *, label, **keywords):
            super().__init__(coroutine, **keywords)
            self.label = label

    class Made(Mine):
        def __new__(cls, *arguments, **keywords):
            return super().__new__(cls, *arguments, **keywords)

    async def main():
        for kind in (Mine, Made):
            task = kind(answer(), label="mine", name="first")
            assert type(task) is kind and task.label == "mine"
            assert await task == ("nothing", "first")

    run(main)


# What asyncio has nothing of.


@needs_ironloop
def test_its_tasks_are_ironloops_on_a_loop_of_ironloops_that_is_native():
    import ironloop

    async def main(wanted, **keywords):
        loop = asyncio.get_running_loop()
        for task in (asyncio.Task(answer()), asyncio.Task(answer(), loop=loop)):
            assert type(task) is wanted
            await task
        if sys.version_info >= (3, 12):
            assert type(asyncio.Task(answer(), loop=loop, eager_start=True)) is wanted
            loop.set_task_factory(asyncio.eager_task_factory)
            assert type(asyncio.create_task(answer())) is wanted

    ironloop.run(main(ironloop.Task))
    ironloop.run(main(asyncio.Task), native=False)


@needs_ironloop
def test_the_class_stays_what_it_is_under_its_name():
    import ironloop

    stock, signature = asyncio.Task, inspect.signature(asyncio.Task)

    async def main():
        assert asyncio.Task is asyncio.tasks.Task is imported_before is stock
        assert inspect.signature(asyncio.Task) == signature
        assert asyncio.Task[int].__origin__ is stock
        # Past the name.
        assert type(type.__call__(asyncio.Task, answer())) is stock
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    ironloop.run(main())


@needs_ironloop
def test_other_loops_have_asyncios_in_the_meantime_and_after():
    import ironloop

    async def kinds():
        loop, found = asyncio.get_running_loop(), []
        for _ in range(100):
            tasks = asyncio.Task(answer()), asyncio.Task(answer(), loop=loop), loop.create_task(answer())
            found += [type(task) for task in tasks]
            await asyncio.gather(*tasks)
        return set(found)

    def stock():
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(kinds())

    async def main():
        return await asyncio.gather(kinds(), asyncio.to_thread(stock))

    assert ironloop.run(main()) == [{ironloop.Task}, {asyncio.Task}]
    assert stock() == {asyncio.Task}


@needs_ironloop
def test_another_thread_makes_asyncios_for_a_loop_that_runs():
    """Which is wrong of it; but asyncio's loop has a chance to say so, in debug mode."""
    import ironloop

    async def main():
        loop, found = asyncio.get_running_loop(), []

        def make():
            found.append(asyncio.Task(answer(), loop=loop))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join(PATIENCE)
        assert type(found[0]) is asyncio.Task
        await found[0]

    ironloop.run(main())
