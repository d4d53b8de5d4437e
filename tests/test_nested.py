"""Loops that may be run while they run: `ironloop.new_event_loop(nested=True)`."""

import asyncio
import contextvars
import os
import signal

import ironloop
import pytest
from conftest import needs_ironloop
from support import Echo, Recorder, serving, until

pytestmark = needs_ironloop

variable = contextvars.ContextVar("variable", default="default")


@pytest.fixture
def loop():
    loop = ironloop.new_event_loop(nested=True)
    yield loop
    loop.close()


@pytest.fixture
def run(loop):
    """``run(main)`` awaits ``main()`` on a nested loop; an error that only its handler saw fails the test."""

    def run_main(main):
        unexpected = []
        loop.set_exception_handler(lambda loop, context: unexpected.append(context))
        result = loop.run_until_complete(main())
        loop.run_until_complete(asyncio.sleep(0))
        assert not unexpected
        return result

    return run_main


async def answer(value=42):
    await asyncio.sleep(0.001)
    return value


def test_a_task_runs_a_coroutine_to_its_end(run, loop):
    async def main():
        assert loop.run_until_complete(answer(1)) == 1
        await asyncio.sleep(0)
        return loop.run_until_complete(answer(2))

    assert run(main) == 2


def test_a_callback_does_so_too(loop):
    got = []
    loop.call_soon(lambda: (got.append(loop.run_until_complete(answer())), loop.stop()))
    loop.run_forever()
    assert got == [42]


def test_it_takes_futures_and_tasks(run, loop):
    async def main():
        task = asyncio.create_task(answer(1))
        future = loop.create_future()
        loop.call_soon(future.set_result, 2)
        assert loop.run_until_complete(task) == 1
        assert loop.run_until_complete(future) == 2
        assert loop.run_until_complete(future) == 2  # it is done already

    run(main)


def test_several_levels(run, loop):
    async def level(number):
        await asyncio.sleep(0)
        if number == 0:
            return 0
        return loop.run_until_complete(level(number - 1)) + 1

    assert run(lambda: level(20)) == 20


def test_nested_runs_that_overlap(run, loop):
    """The inner one, of another task, ends later than the outer: each gets its own result."""
    order = []

    async def main():
        first_may_end, second_may_end = asyncio.Event(), asyncio.Event()

        async def nest(name, event):
            order.append((name, loop.run_until_complete(wait(name, event))))

        async def wait(name, event):
            await event.wait()
            return f"result of {name}"

        async def let_go():
            await asyncio.sleep(0)
            first_may_end.set()
            await asyncio.sleep(0.005)
            second_may_end.set()

        await asyncio.gather(nest("first", first_may_end), nest("second", second_may_end), let_go())

    run(main)
    assert sorted(order) == [("first", "result of first"), ("second", "result of second")]


def test_the_current_task_inside_and_after(run, loop):
    async def main():
        mine = asyncio.current_task()

        async def inner():
            task = asyncio.current_task()
            await asyncio.sleep(0)
            assert asyncio.current_task() is task
            assert mine in asyncio.all_tasks()
            return task

        inside = loop.run_until_complete(inner())
        assert inside is not mine
        assert asyncio.current_task() is mine
        await asyncio.sleep(0)
        assert asyncio.current_task() is mine
        assert asyncio.get_running_loop() is loop

    run(main)


def test_the_current_task_after_a_failure(run, loop):
    async def fail():
        raise KeyError("inside")

    async def main():
        mine = asyncio.current_task()
        with pytest.raises(KeyError):
            loop.run_until_complete(fail())
        assert asyncio.current_task() is mine
        async with asyncio.timeout(60):  # needs a current task
            await asyncio.sleep(0)

    run(main)


def test_a_callback_has_no_current_task(loop):
    async def inner():
        return asyncio.current_task()

    def callback():
        assert loop.run_until_complete(inner()) is not None
        assert asyncio.current_task(loop) is None
        loop.stop()

    loop.call_soon(callback)
    loop.run_forever()


def test_the_rest_of_the_loop_goes_on(run, loop):
    async def main():
        ticks = []

        async def tick():
            while True:
                ticks.append(loop.time())
                await asyncio.sleep(0.001)

        async with serving(Echo) as address:
            _, client = await loop.create_connection(Recorder, *address)
            ticking = asyncio.create_task(tick())
            client.transport.write(b"hello")
            loop.run_until_complete(until(lambda: client.data == b"hello" and len(ticks) > 5))
            in_thread = loop.run_until_complete(asyncio.to_thread(answer, 7))
            assert loop.run_until_complete(in_thread) == 7
            ticking.cancel()
            client.transport.close()
            loop.run_until_complete(client.lost)

    run(main)


def test_what_was_ready_in_the_same_turn_runs_inside(run, loop):
    """The nested run may wait for a callback that stands behind its own caller."""

    async def main():
        future = loop.create_future()

        async def later():
            future.set_result("from the same turn")

        async def nest():
            return loop.run_until_complete(future)

        task = asyncio.create_task(nest())
        other = asyncio.create_task(later())
        assert await task == "from the same turn"
        await other

    run(main)


@pytest.mark.parametrize("kind", [KeyError, asyncio.CancelledError, TimeoutError, StopAsyncIteration])
def test_what_is_raised_comes_out(run, loop, kind):
    async def fail():
        await asyncio.sleep(0)
        raise kind("inside")

    async def main():
        with pytest.raises(kind, match="inside"):
            loop.run_until_complete(fail())
        return await answer()

    assert run(main) == 42


def test_a_cancel_of_what_is_run(run, loop):
    async def main():
        task = asyncio.create_task(asyncio.sleep(3600))
        loop.call_later(0.001, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)

    run(main)


def test_a_cancel_of_the_caller_reaches_it_at_its_next_await(run, loop):
    async def main():
        async def nest():
            loop.call_soon(nesting.cancel)
            assert loop.run_until_complete(answer()) == 42
            await asyncio.sleep(3600)

        nesting = asyncio.create_task(nest())
        with pytest.raises(asyncio.CancelledError):
            await nesting

    run(main)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_callback_that_leaves(loop, kind):
    """It leaves the nested run, the task that called, and then the outermost run."""

    def leave():
        raise kind("leaving")

    left = []

    async def main():
        loop.call_soon(leave)
        try:
            loop.run_until_complete(asyncio.sleep(3600))
        except kind:
            left.append(asyncio.current_task() is not None)
            raise

    task = loop.create_task(main())
    with pytest.raises(kind, match="leaving"):
        loop.run_until_complete(task)
    assert left == [True]
    assert not loop.is_running()
    for other in asyncio.all_tasks(loop):
        other.cancel()
    assert loop.run_until_complete(answer()) == 42


def test_ctrl_c(loop):
    async def main():
        loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
        loop.run_until_complete(asyncio.sleep(3600))

    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    for other in asyncio.all_tasks(loop):
        other.cancel()
    assert loop.run_until_complete(answer()) == 42


def test_ctrl_c_may_be_caught_inside(loop):
    async def main():
        loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
        sleeping = asyncio.ensure_future(asyncio.sleep(3600))
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(sleeping)
        sleeping.cancel()
        return await answer()

    assert loop.run_until_complete(main()) == 42


def test_stop_ends_the_nested_run_with_an_error_and_the_outer_one(loop):
    got = []

    def callback():
        loop.call_soon(loop.stop)
        try:
            loop.run_until_complete(asyncio.sleep(3600))
        except RuntimeError as error:
            got.append(str(error))

    loop.call_soon(callback)
    loop.run_forever()
    assert got == ["Event loop stopped before Future completed."]
    for task in asyncio.all_tasks(loop):
        task.cancel()
    assert loop.run_until_complete(answer()) == 42


def test_stop_in_the_turn_in_which_the_future_is_done(loop):
    got = []

    async def stop_and_answer():
        loop.stop()
        return "answer"

    loop.call_soon(lambda: got.append(loop.run_until_complete(stop_and_answer())))
    loop.run_forever()
    assert got == ["answer"]


def test_a_running_loop_can_be_run_only_by_run_until_complete(run, loop):
    async def main():
        with pytest.raises(RuntimeError, match="This event loop is already running"):
            loop.run_forever()
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            loop.close()
        assert loop.run_until_complete(answer()) == 42

    run(main)


def test_a_closed_loop_runs_nothing(loop):
    loop.close()
    coroutine = answer()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.run_until_complete(coroutine)
    coroutine.close()


def test_another_loop_in_the_same_thread_is_refused(run, loop):
    other = ironloop.new_event_loop(nested=True)

    async def main():
        coroutine = answer()
        with pytest.raises(RuntimeError, match="Cannot run the event loop while another loop is running"):
            other.run_until_complete(coroutine)
        coroutine.close()
        with pytest.raises(ValueError, match="The future belongs to a different loop"):
            loop.run_until_complete(other.create_future())

    run(main)
    other.close()


def test_ironloop_run_uses_the_running_loop(run, loop):
    async def inner():
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    async def main():
        assert ironloop.run(inner()) is loop

        async def fail():
            raise KeyError("inside")

        with pytest.raises(KeyError):
            ironloop.run(fail())

    run(main)
    assert not loop.is_closed()


def test_contexts(run, loop):
    """What runs inside sees the caller's variables; what it sets stays its own, as with any task."""

    async def inner():
        assert variable.get() == "the caller's"
        variable.set("changed inside")
        await asyncio.sleep(0)
        return variable.get()

    async def main():
        token = variable.set("the caller's")
        assert loop.run_until_complete(inner()) == "changed inside"
        assert variable.get() == "the caller's"
        await asyncio.sleep(0)
        assert variable.get() == "the caller's"
        variable.reset(token)

    run(main)


def test_eager_tasks(run, loop):
    if not hasattr(asyncio, "eager_task_factory"):
        pytest.skip("the eager task factory came with Python 3.12")

    async def main():
        loop.set_task_factory(asyncio.eager_task_factory)
        mine = asyncio.current_task()
        assert loop.run_until_complete(answer()) == 42

        async def nest():
            return loop.run_until_complete(answer(2))

        assert await asyncio.create_task(nest()) == 2
        assert asyncio.current_task() is mine

    run(main)


def test_many_nested_runs_in_a_row(run, loop):
    async def main():
        for number in range(1000):
            assert loop.run_until_complete(answer_at_once(number)) == number

    async def answer_at_once(value):
        return value

    run(main)


def test_a_runner_takes_such_a_loop():
    async def main():
        return asyncio.get_running_loop().run_until_complete(answer())

    with asyncio.Runner(loop_factory=lambda: ironloop.new_event_loop(nested=True)) as runner:
        assert runner.run(main()) == 42
        assert runner.run(main()) == 42


def test_a_loop_that_is_not_nested_refuses():
    async def main():
        loop = asyncio.get_running_loop()
        coroutine = answer()
        with pytest.raises(RuntimeError, match="This event loop is already running"):
            loop.run_until_complete(coroutine)
        with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
            ironloop.run(coroutine)
        coroutine.close()

    ironloop.run(main())


def test_ipythons_extension_nests_the_loop_that_runs():
    async def main():
        ironloop.load_ipython_extension(None)
        assert ironloop.run(answer()) == 42
        return asyncio.get_running_loop().run_until_complete(answer())

    assert ironloop.run(main()) == 42


def test_ipythons_extension_where_no_loop_runs_installs():
    ironloop.load_ipython_extension(None)
    try:

        async def main():
            return type(asyncio.get_running_loop())

        assert asyncio.run(main()) is ironloop.Loop
    finally:
        ironloop.uninstall()


def test_ipythons_extension_on_another_loop_says_what_to_do():
    async def main():
        with pytest.raises(RuntimeError, match="start it with IRONLOOP=1"):
            ironloop.load_ipython_extension(None)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())
