"""Tasks and futures of ironloop's own: what they are to the tools that look, and to the garbage collector."""

import asyncio
import contextvars
import gc
import struct
import sys
import weakref

import ironloop
import pytest
from ironloop import _ironloop

if ironloop.Task is asyncio.Task:
    pytest.skip(
        "this Python's tasks are laid out in a way that ironloop does not know", allow_module_level=True
    )


@pytest.fixture
def loop():
    loop = ironloop.Loop(native=True)
    yield loop
    loop.close()


async def answer():
    await asyncio.sleep(0)
    return 42


class Errors(list):
    """The exception handler of a loop."""

    def __call__(self, loop, context):
        self.append(context["message"])


@pytest.fixture
def errors(loop):
    errors = Errors()
    loop.set_exception_handler(errors)
    return errors


@pytest.mark.usefixtures("without_debug")
def test_they_are_asyncios_to_isinstance(loop):
    task, future = loop.create_task(answer()), loop.create_future()
    assert (type(task), type(future)) == (_ironloop.Task, _ironloop.Future)
    assert isinstance(task, asyncio.Task)
    assert isinstance(task, asyncio.Future)
    assert isinstance(future, asyncio.Future)
    assert asyncio.isfuture(task)
    assert loop.run_until_complete(task) == 42
    assert repr(future) == "<Future pending>"


def test_the_switch():
    for native in (True, False):
        with asyncio.Runner(loop_factory=lambda native=native: ironloop.Loop(native=native)) as runner:
            task = runner.get_loop().create_task(answer())
            assert (type(task) is asyncio.Task) is not native
            assert runner.get_loop().run_until_complete(task) == 42


def test_what_a_task_waits_for_is_shown(loop):
    async def main():
        future = loop.create_future()

        async def wait():
            await future

        task = asyncio.create_task(wait(), name="waiting")
        await asyncio.sleep(0)
        assert task._fut_waiter is future
        assert not task._must_cancel
        [(wakeup, context)] = future._callbacks
        assert callable(wakeup)
        assert wakeup.__self__ is task
        assert context is not None
        assert "task_wakeup" in repr(future)
        assert "waiting" in repr(task)
        future.set_result(None)
        await task
        assert task._fut_waiter is None
        assert future._callbacks is None

    loop.run_until_complete(main())


def test_stock_tasks_and_futures_work_beside_them(loop):
    async def main():
        stock = asyncio.Future(loop=loop)
        loop.call_soon(stock.set_result, 1)
        assert await stock == 1
        ours = loop.create_future()

        async def wait():
            return await ours

        tasks = [asyncio.Task(wait(), loop=loop), loop.create_task(wait())]
        loop.call_soon(ours.set_result, 2)
        assert await asyncio.gather(*tasks) == [2, 2]
        failing = asyncio.Future(loop=loop)
        loop.call_soon(failing.set_exception, KeyError("stock"))
        with pytest.raises(KeyError):
            await failing
        cancelled = asyncio.Task(asyncio.sleep(3600), loop=loop)
        loop.call_soon(cancelled.cancel, "why")
        with pytest.raises(asyncio.CancelledError):
            await cancelled

    loop.run_until_complete(main())


def test_a_factory_makes_what_it_wants(loop):
    loop.set_task_factory(lambda loop, coroutine, **keywords: asyncio.Task(coroutine, loop=loop, **keywords))
    task = loop.create_task(answer(), name="by the factory")
    assert type(task) is ironloop.Task and task.get_name() == "by the factory"
    assert loop.run_until_complete(task) == 42


def test_all_and_current(loop):
    async def main():
        others = {asyncio.create_task(answer()) for _ in range(3)}
        assert asyncio.all_tasks() == others | {asyncio.current_task()}
        seen = []
        loop.call_soon(lambda: seen.append(asyncio.current_task()))
        await asyncio.wait(others)
        assert seen == [None]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    loop.run_until_complete(main())
    assert asyncio.all_tasks(loop) == set()
    assert asyncio.current_task(loop) is None


def test_subclasses(loop):
    class Named(_ironloop.Task):
        def get_name(self):
            return "always this"

    class Counted(_ironloop.Future):
        count = 0

        def set_result(self, result):
            Counted.count += 1
            super().set_result(result)

    async def main():
        future = Counted(loop=loop)
        loop.call_soon(future.set_result, 3)
        task = Named(answer(), loop=loop)
        assert task.get_name() == "always this"
        assert await task == 42
        assert await future == 3
        assert Counted.count == 1

    loop.run_until_complete(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks begin with Python 3.12")
def test_an_eager_task_runs_at_once(loop):
    async def main():
        current = asyncio.current_task()

        async def step():
            assert asyncio.current_task() is not current
            return 1

        task = _ironloop.Task(step(), loop=loop, eager_start=True)
        assert task.done()
        assert asyncio.current_task() is current
        waiting = _ironloop.Task(answer(), loop=loop, eager_start=True)
        assert not waiting.done()
        assert waiting in asyncio.all_tasks()
        assert await waiting == 42

    loop.run_until_complete(main())


def test_debug_mode_notes_where_a_task_was_made(loop):
    loop.set_debug(True)
    task = loop.create_task(answer())
    assert task._source_traceback[-1].name == "test_debug_mode_notes_where_a_task_was_made"
    assert loop.create_future()._source_traceback
    assert loop.run_until_complete(task) == 42


def test_garbage_that_waits_for_garbage_is_collected_and_reported(loop, errors):
    async def main():
        async def wait(future):
            await future

        future = loop.create_future()
        task = asyncio.create_task(wait(future))
        await asyncio.sleep(0)
        gone = weakref.ref(task), weakref.ref(future)
        del task, future
        gc.collect()
        assert [ref() for ref in gone] == [None, None]

    loop.run_until_complete(main())
    assert errors == ["Task was destroyed but it is pending!"]


@pytest.mark.parametrize("kind", ["result", "exception", "attribute", "callback"])
def test_done_ones_that_lead_back_to_themselves_are_collected(loop, kind):
    async def main():
        box = []

        async def lead_back():
            if kind == "exception":
                raise ValueError(box)  # noqa: F821
            return box  # noqa: F821

        task, future = asyncio.create_task(lead_back()), loop.create_future()
        await asyncio.wait([task])
        task.exception()
        box += [task, future]
        if kind == "attribute":
            task.itself, future.itself = task, future
        elif kind == "callback":
            future.add_done_callback(lambda done: (box, future))  # noqa: F821
        if kind != "callback":
            future.set_result(box)
        gone = weakref.ref(task), weakref.ref(future)
        del box, task, future
        # What asyncio still holds on to is let go in a turn.
        await asyncio.sleep(0)
        gc.collect()
        return gone, lead_back

    gone, _ = loop.run_until_complete(main())
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


def test_a_loop_that_is_dropped_takes_its_sleeping_tasks_along():
    loop = ironloop.Loop()
    loop.set_exception_handler(lambda loop, context: None)

    async def nap():
        await _ironloop.sleep(3600)

    tasks = [loop.create_task(nap()), loop.create_task(nap()), loop.create_task(answer())]
    loop.call_soon(loop.stop)
    loop.run_forever()
    gone = [weakref.ref(task) for task in tasks] + [weakref.ref(loop)]
    with pytest.warns(ResourceWarning):
        del tasks, loop
        gc.collect()
    assert [ref() for ref in gone] == [None] * 4


def test_errors_that_nobody_asks_for_are_reported(loop, errors):
    async def fail():
        raise KeyError("nobody asks")

    async def main():
        asyncio.create_task(fail())  # noqa: RUF006
        loop.create_future().set_exception(KeyError("nor for this"))
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    gc.collect()
    assert sorted(errors) == [
        "Future exception was never retrieved",
        "Task exception was never retrieved",
    ]


def test_waiting_for_nonsense(loop):
    class Bare:
        def __init__(self, what):
            self.what = what

        def __await__(self):
            yield self.what

    async def main():
        other = ironloop.Loop()
        foreign = other.create_future()
        foreign._asyncio_future_blocking = True
        for what, text in [
            (5, "Task got bad yield: 5"),
            (loop.create_future(), "yield was used instead of yield from"),
            (asyncio.current_task(), "Task cannot await on itself"),
            (foreign, "attached to a different loop"),
        ]:
            with pytest.raises(RuntimeError, match=text):
                await Bare(what)
        other.close()

    loop.run_until_complete(main())


def test_steps_stop_with_the_loop_and_go_on_with_it(loop):
    async def count(to):
        for _ in range(to):
            await asyncio.sleep(0)
        return to

    task = loop.create_task(count(10))
    for _ in range(5):
        loop.call_soon(loop.stop)
        loop.run_forever()
    assert not task.done()
    assert loop.run_until_complete(task) == 10


def test_a_closed_loop_takes_nothing(loop):
    future = loop.create_future()

    async def wait():
        await future

    task = loop.create_task(wait())
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        future.set_result(None)
    coroutine = answer()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.create_task(coroutine)
    coroutine.close()
    task._log_destroy_pending = False


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python 3.14 and later write down who awaits whom")
def test_who_awaits_whom_is_written_down(loop):
    async def main():
        future = loop.create_future()

        async def wait():
            await future

        tasks = {asyncio.create_task(wait()) for _ in range(2)}
        await asyncio.sleep(0)
        assert future._asyncio_awaited_by == tasks
        future.set_result(None)
        await asyncio.wait(tasks)
        assert not future._asyncio_awaited_by

    loop.run_until_complete(main())


# A class below ours, asyncio's methods called past ours, and other ways to surprise it.


class Own(ironloop.Task):
    """A program's own."""


@pytest.mark.parametrize(
    "make_future", [lambda loop: loop.create_future(), lambda loop: asyncio.Future(loop=loop)]
)
def test_a_subclass_is_woken(loop, make_future):
    async def wait(future):
        return await future

    async def main():
        future = make_future(loop)
        task = Own(wait(future), loop=loop)
        await asyncio.sleep(0)
        future.set_result(42)
        return await task

    assert loop.run_until_complete(main()) == 42


@pytest.mark.parametrize(
    "finish", [lambda future: asyncio.Future.set_result(future, 42), asyncio.Future.cancel]
)
def test_asyncios_own_methods_wake_who_waits(loop, finish):
    async def wait(future):
        try:
            return await future
        except asyncio.CancelledError:
            return 42

    async def main():
        future = loop.create_future()
        task = loop.create_task(wait(future))
        await asyncio.sleep(0)
        finish(future)
        return await task

    assert loop.run_until_complete(main()) == 42


def test_one_that_goes_is_not_brought_back(loop, errors):
    """By a weak reference's callback that asks for all tasks."""

    async def main():
        task = loop.create_task(answer())
        assert task is not asyncio.current_task()
        return await task

    pending = loop.create_task(answer())
    seen = []
    reference = weakref.ref(pending, lambda _: seen.extend(_ironloop.pending_tasks()))
    other = ironloop.Loop(native=True)
    loop.close()
    with pytest.warns(RuntimeWarning, match="never awaited"):
        del pending
        gc.collect()
    assert reference() is None and seen == []
    assert [other.run_until_complete(run_on(other)) for _ in range(3)] == [42] * 3
    other.close()


async def run_on(loop):
    task = loop.create_task(answer())
    assert task is not asyncio.current_task()
    return await task


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="refused since Python 3.15")
def test_begun_twice_it_stands_in_the_registry_once(loop):
    async def main():
        before = asyncio.all_tasks()
        task = loop.create_task(answer())
        first = task.get_coro()
        task.__init__(answer(), loop=loop)
        assert await task == 42
        first.close()
        await asyncio.sleep(0)
        del task
        gc.collect()
        assert asyncio.all_tasks() == before

    loop.run_until_complete(main())


def test_one_that_its_own_context_holds_is_collected(loop):
    holder = contextvars.ContextVar("holder")

    async def hold():
        holder.set(asyncio.current_task())
        await asyncio.sleep(0)

    async def main():
        task = loop.create_task(hold())
        await task
        return weakref.ref(task)

    reference = loop.run_until_complete(main())
    gc.collect()
    assert reference() is None


def test_arguments_are_asyncios(loop):
    async def main():
        coroutine = answer()
        for call in (
            lambda: loop.create_task(coroutine, "name"),
            lambda: ironloop.Task(coroutine, loop=loop, unknown=1),
            lambda: ironloop.Task(coroutine, 1, loop=loop),
        ):
            with pytest.raises(TypeError):
                call()
        async with asyncio.TaskGroup() as group:
            with pytest.raises(TypeError):
                group.create_task(coroutine, "name")
        coroutine.close()

    loop.run_until_complete(main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="asyncio trips over it in Python 3.12")
def test_an_eager_one_that_has_ended_lets_its_coroutine_go(loop):
    async def main():
        async def at_once():
            return 42

        task = ironloop.Task(at_once(), loop=loop, eager_start=True)
        assert task.done() and task.get_coro() is None
        return await task

    assert loop.run_until_complete(main()) == 42


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="refused since Python 3.15")
def test_no_task_is_current_where_its_failed_step_is_reported(loop):
    current = []
    loop.set_exception_handler(lambda loop, context: current.append(asyncio.current_task(loop)))

    async def main():
        task = loop.create_task(answer())
        await asyncio.sleep(0)
        task.__init__(answer(), loop=loop)  # is stepped twice, the second time when it is done
        await task
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert current and set(current) == {None}


def test_the_values_of_a_subclasss_attributes_are_aligned():
    """From Python 3.14 on they stand right behind the base's fields, and ours."""
    for kind in ironloop.Future, ironloop.Task:
        assert kind.__basicsize__ % struct.calcsize("P") == 0
