"""gather, wait, shield, as_completed, ensure_future and create_task; CPython's suite tests most of it."""

import asyncio
import gc
import sys
import threading
import warnings
import weakref

import pytest
from conftest import needs_ironloop

NAMES = (
    "as_completed",
    "create_task",
    "ensure_future",
    "gather",
    "run_coroutine_threadsafe",
    "shield",
    "to_thread",
    "wait",
)
needs_async_iteration = pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")


@pytest.fixture
def aio(loop_name):
    """The module that has the vocabulary of the loop under test."""
    if loop_name == "asyncio":
        return asyncio
    import ironloop

    return ironloop


async def answer(value):
    await asyncio.sleep(0)
    return value


async def fail(error):
    await asyncio.sleep(0)
    raise error


def pending():
    return asyncio.get_running_loop().create_future()


class Awaitable:
    """Neither a coroutine nor a future; equal to others of the same value."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value

    def __hash__(self):
        return hash(self.value)

    def __await__(self):
        yield
        return [self.value]


def test_gather_takes_anything_awaitable_and_keeps_its_order(run, aio):
    async def main():
        loop = asyncio.get_running_loop()
        done, foreign = pending(), asyncio.futures._PyFuture(loop=loop)
        done.set_result("done")
        loop.call_soon(foreign.set_result, "foreign")
        task = aio.create_task(answer("task"))
        twin = answer("twin")
        results = await aio.gather(twin, done, Awaitable("x"), foreign, Awaitable("x"), task, task, twin)
        assert results == ["twin", "done", ["x"], "foreign", ["x"], "task", "task", "twin"]
        assert results[2] is results[4]

    run(main)


def test_what_gather_returns_is_a_future_that_knows_its_children(run, aio):
    async def main():
        children = [pending(), pending()]
        outer = aio.gather(*children)
        assert isinstance(outer, asyncio.Future) and asyncio.isfuture(outer)
        assert "_GatheringFuture pending" in repr(outer)
        assert outer._children == children and not outer._cancel_requested
        assert "gather.<locals>._done_callback" in repr(children[0])
        assert outer.cancel("enough") and outer._cancel_requested
        assert not outer.done()
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await outer
        assert all(child.cancelled() for child in children)
        assert not outer.cancelled() and not outer.cancel()

    run(main)


def test_a_cancelled_gather_fails_even_if_its_children_go_on(run, aio):
    async def stubborn():
        try:
            await pending()
        except asyncio.CancelledError:
            return "went on"

    async def main():
        outer = aio.gather(stubborn(), return_exceptions=True)
        await asyncio.sleep(0)
        outer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await outer

    run(main)


def test_gather_returns_errors_if_asked(run, aio):
    async def main():
        cancelled, plain = pending(), pending()
        cancelled.cancel("message")
        plain.cancel()
        error = ZeroDivisionError()
        results = await aio.gather(fail(error), answer(1), cancelled, plain, return_exceptions=True)
        assert results[:2] == [error, 1]
        assert [type(result) for result in results[2:]] == [asyncio.CancelledError] * 2
        assert [result.args for result in results[2:]] == [("message",), ("",)]

    run(main)


def test_errors_after_the_first_are_nobodys(run, aio):
    async def main():
        with pytest.raises(ZeroDivisionError):
            await aio.gather(fail(ZeroDivisionError()), fail(KeyError()), fail(OSError()))

    run(main)  # which sees what is reported


def test_the_empty_gather_is_done(run, aio):
    async def main():
        outer = aio.gather()
        assert outer.done() and await outer == []

    run(main)


def test_arguments_that_are_wrong(run, aio):
    async def main():
        elsewhere = asyncio.SelectorEventLoop()
        coroutine = answer(1)
        try:
            with pytest.raises(ValueError, match="different loop"):
                aio.gather(pending(), elsewhere.create_future())
            if sys.version_info < (3, 14):
                # Of another loop, but all of the same.
                assert aio.gather(elsewhere.create_future()).get_loop() is elsewhere
            with pytest.raises(TypeError, match="awaitable is required"):
                aio.gather(pending(), 1)
            with pytest.raises(TypeError, match="unexpected keyword"):
                aio.gather(pending(), retrun_exceptions=True)
            with pytest.raises(ValueError, match="Set of Tasks/Futures is empty"):
                await aio.wait([])
            with pytest.raises(ValueError, match="Invalid return_when value: soon"):
                await aio.wait([pending()], return_when="soon")
            with pytest.raises(TypeError, match="expect a list of futures, not Future"):
                await aio.wait(pending())
            with pytest.raises(TypeError, match="Passing coroutines is forbidden"):
                await aio.wait([coroutine])
            with pytest.raises(AssertionError):
                await aio.wait(iter(()))
            with pytest.raises(TypeError):
                aio.wait([pending()], 1)
            with pytest.raises(TypeError, match="an iterable of"):
                next(iter(aio.as_completed(coroutine)))
        finally:
            coroutine.close()
            elsewhere.close()

    run(main)


def test_tasks_are_made_as_the_loop_makes_them(run, aio):
    class Tagged(asyncio.Task):
        pass

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coroutine, **options: Tagged(coroutine, loop=loop, **options))
        outer = aio.gather(answer(1), answer(2))
        assert [type(child) for child in outer._children] == [Tagged, Tagged]
        assert type(aio.create_task(answer(3))) is Tagged
        assert type(aio.ensure_future(answer(4))) is Tagged
        assert await outer == [1, 2]
        assert await aio.shield(answer(5)) == 5
        loop.set_task_factory(None)

        made = []

        def create_task(coroutine, **options):
            made.append(coroutine)
            return type(loop).create_task(loop, coroutine, **options)

        loop.create_task = create_task
        coroutines = [answer(number) for number in range(4)]
        await aio.gather(coroutines[0])
        await aio.shield(coroutines[1])
        await aio.create_task(coroutines[2])
        await aio.ensure_future(coroutines[3])
        assert made == coroutines

    run(main)


def test_create_task_and_ensure_future(run, aio):
    async def main():
        task = aio.create_task(answer(1), name="a name")
        assert task.get_name() == "a name"
        assert aio.ensure_future(task) is task
        assert aio.ensure_future(task, loop=asyncio.get_running_loop()) is task
        assert await aio.ensure_future(Awaitable(1)) == [1]
        with pytest.raises(TypeError):
            aio.ensure_future(1)
        assert await task == 1

    run(main)


def test_wait_sorts_futures(run, aio):
    async def main():
        done, never, failing = aio.create_task(answer(1)), pending(), aio.create_task(fail(OSError()))
        assert await aio.wait([done, never], return_when=asyncio.FIRST_COMPLETED) == ({done}, {never})
        both = await aio.wait(iter((failing, never)), return_when=asyncio.FIRST_EXCEPTION)
        assert both == ({failing}, {never})
        assert await aio.wait({done, failing}, timeout=None) == ({done, failing}, set())
        assert await aio.wait([done, never], timeout=0.001) == ({done}, {never})
        assert never._callbacks is None

    run(main)


def test_a_wait_that_is_cancelled_leaves_nothing_behind(run, aio):
    async def main():
        future, seen = pending(), []
        future.add_done_callback(seen.append)
        task = aio.create_task(aio.wait([future], timeout=1000))
        await asyncio.sleep(0)
        assert len(future._callbacks) == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [callback for callback, _ in future._callbacks] == [seen.append]
        future.set_result(None)
        await asyncio.sleep(0)
        assert seen == [future]

    run(main)


def test_shield(run, aio):
    async def main():
        inner = pending()
        outer = aio.shield(inner)
        outer.cancel()
        await asyncio.sleep(0)
        assert outer.cancelled() and not inner.done() and inner._callbacks is None
        outer = aio.shield(inner)
        inner.set_result("result")
        assert await outer == "result"
        assert aio.shield(inner) is inner
        with pytest.raises(ZeroDivisionError):
            await aio.shield(fail(ZeroDivisionError()))
        inner = pending()
        outer = aio.shield(inner)
        inner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await outer

    run(main)


def test_an_error_that_a_cancelled_shield_has_left_is_reported(run, aio):
    async def main():
        reports = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))
        inner = pending()
        outer = aio.shield(inner)
        outer.cancel()
        await asyncio.sleep(0)
        inner.set_exception(ZeroDivisionError())
        await asyncio.sleep(0)
        del inner, outer
        gc.collect()
        assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]

    run(main)


def test_a_callback_that_fails_is_reported_with_its_handle(run, aio):
    async def main():
        reports = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))
        inner = pending()
        outer = aio.shield(inner)
        outer.set_result("by hand")
        inner.set_result("too late")
        await asyncio.sleep(0)
        (report,) = reports
        assert type(report["exception"]) is asyncio.InvalidStateError
        assert "shield.<locals>._inner_done_callback" in report["message"]
        assert isinstance(report["handle"], asyncio.Handle)

    run(main)


def test_as_completed_gives_results_as_they_come(run, aio):
    async def main():
        futures = [pending() for _ in range(3)]
        for place in (2, 0, 1):
            asyncio.get_running_loop().call_soon(futures[place].set_result, place)
        # A future that is there twice counts once.
        assert [await next_one for next_one in aio.as_completed([*futures, futures[0]])] == [2, 0, 1]

    run(main)


def test_as_completed_runs_out_of_time(run, aio):
    async def main():
        never, results = pending(), []
        with pytest.raises(TimeoutError):
            for next_one in aio.as_completed([answer(1), never], timeout=0.3):
                results.append(await next_one)
        assert results == [1] and never._callbacks is None

    run(main)


@needs_async_iteration
def test_as_completed_gives_the_futures_themselves(run, aio):
    async def main():
        tasks = [aio.create_task(answer(1)), aio.create_task(fail(OSError()))]
        assert [task async for task in aio.as_completed(tasks)] == tasks
        assert isinstance(tasks[1].exception(), OSError)
        with pytest.raises(TimeoutError):
            async for _ in aio.as_completed([pending()], timeout=0.001):
                pass

    run(main)


def test_several_wait_for_the_next_of_as_completed(run, aio):
    async def main():
        futures = [pending() for _ in range(3)]
        waiting = [aio.create_task(next_one) for next_one in aio.as_completed(futures)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        futures[1].set_result("first")
        futures[0].set_result("second")
        done, left = await aio.wait(waiting, timeout=0.01)
        assert waiting[0].cancelled() and len(done) == 3 and not left
        assert [task.result() for task in waiting[1:]] == ["first", "second"]

    run(main)


@pytest.mark.usefixtures("without_debug")
def test_whose_coroutine_is_never_awaited_is_told(run, aio):
    async def main():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            aio.wait([pending()])
            gc.collect()
        assert [str(warning.message) for warning in caught] == ["coroutine 'wait' was never awaited"]

    run(main)


@pytest.mark.parametrize("name", ["gather", "wait", "shield", "as_completed"])
def test_what_nobody_can_end_is_garbage(run, aio, name):
    class Mark:
        pass

    async def abandoned(mark, name):
        future = pending()
        future.mark = mark
        match name:
            case "gather" | "shield":
                await getattr(aio, name)(future)
            case "wait":
                await aio.wait([future])
            case "as_completed":
                await next(iter(aio.as_completed([future])))

    async def main():
        mark = Mark()
        known = weakref.ref(mark)
        task = aio.create_task(abandoned(mark, name))
        task._log_destroy_pending = False
        for _ in range(2):
            await asyncio.sleep(0)
        del mark, task
        gc.collect()
        assert known() is None

    run(main)


def test_a_task_that_waits_for_itself_is_garbage_in_the_end(run, aio):
    async def waits_for_itself():
        oneself = asyncio.current_task()
        for next_one in aio.as_completed([oneself], timeout=0):
            await asyncio.sleep(0)
            await next_one

    async def main():
        task = aio.create_task(waits_for_itself())
        await aio.wait([task])
        assert isinstance(task.exception(), TimeoutError)
        known = weakref.ref(task)
        del task
        gc.collect()
        assert known() is None

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")
def test_who_awaits_is_known(run, aio):
    async def main():
        task = asyncio.current_task()
        for combine in (lambda f: aio.gather(f, f), lambda f: aio.wait([f], timeout=0.001), aio.shield):
            future = pending()
            combined = combine(future)
            if asyncio.isfuture(combined):
                assert future._asyncio_awaited_by == {task}
                future.set_result(None)
            await combined
            assert not future._asyncio_awaited_by

    run(main)


@needs_ironloop
def test_the_names_are_functions_like_asyncios():
    import inspect

    import ironloop

    for name in NAMES:
        ours, stock = getattr(ironloop, name), getattr(asyncio, name)
        assert ours.__doc__ == stock.__doc__ and ours.__name__ == name
        assert inspect.signature(ours) == inspect.signature(stock)
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(stock)


@needs_ironloop
def test_on_another_loop_they_are_asyncios():
    import ironloop

    async def main():
        outer = ironloop.gather(answer(1), answer(2))
        assert type(outer) is asyncio.tasks._GatheringFuture
        assert await outer == [1, 2]
        assert type(ironloop.create_task(answer(3))) is asyncio.Task
        done, _ = await ironloop.wait([ironloop.ensure_future(answer(4))])
        assert [task.result() for task in done] == [4]
        assert await ironloop.shield(answer(5)) == 5
        assert [await next_one for next_one in ironloop.as_completed([answer(6)])] == [6]

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())


@needs_ironloop
def test_a_wait_made_on_one_loop_is_awaited_on_another():
    import ironloop

    made = []

    async def make():
        made.append(ironloop.wait(futures, timeout=10))

    async def main():
        futures.append(asyncio.ensure_future(answer(1)))
        done, left = await made[0]
        assert done == set(futures) and not left

    futures = []
    ironloop.run(make())
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())


def test_a_thread_hands_in_a_coroutine(run, aio):
    async def main():
        loop = asyncio.get_running_loop()
        number = await aio.to_thread(threading.get_ident)
        assert number != threading.get_ident()
        work = aio.to_thread(lambda: aio.run_coroutine_threadsafe(answer(1), loop).result())
        assert await work == 1

    run(main)
