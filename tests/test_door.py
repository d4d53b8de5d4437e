"""Awaitables of Rust futures, on ironloop, asyncio and uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import gc
import os
import re
import signal
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import rust_extension
from conftest import CHOSEN, needs_ironloop

LOOPS = ("ironloop", "asyncio", "uvloop")
Run = Callable[[Coroutine[Any, Any, Any]], Any]

pytestmark = pytest.mark.timeout(300)  # the first test builds the extension


# The first test may have to build the extension.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def door() -> Any:
    return rust_extension.build()


def new_loop(name: str) -> asyncio.AbstractEventLoop:
    if name == "asyncio":
        return asyncio.SelectorEventLoop()
    if name == "ironloop":
        if name not in CHOSEN:
            pytest.skip("left out by IRONLOOP_TEST_LOOPS")
        import ironloop

        return ironloop.new_event_loop()
    uvloop = pytest.importorskip("uvloop")
    return uvloop.new_event_loop()


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop = new_loop(request.param)
    yield loop
    if not loop.is_closed():
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.fixture
def run(loop: asyncio.AbstractEventLoop) -> Run:
    return loop.run_until_complete


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


def test_one_that_is_ready_gives_its_value_at_once(run: Run, door: Any) -> None:
    async def main() -> None:
        assert await door.ready() is None
        thing = object()
        assert await door.value(thing) is thing
        assert await door.value((1, 2)) == (1, 2)
        error = ValueError("no")
        assert await door.value(error) is error
        with pytest.raises(ValueError, match="oh"):
            await door.fail("oh")

    run(main())


def test_what_is_ready_takes_no_turn(run: Run, door: Any) -> None:
    async def main() -> None:
        order: list[str] = []
        asyncio.get_running_loop().call_soon(order.append, "turn")
        await door.ready()
        order.append("ready")
        await asyncio.sleep(0)
        assert order == ["ready", "turn"]

    run(main())


def test_one_that_gives_way_comes_again_in_its_turn(run: Run, door: Any) -> None:
    async def main() -> None:
        order: list[int] = []

        async def count() -> None:
            for number in range(3):
                order.append(number)
                await asyncio.sleep(0)

        task = asyncio.create_task(count())
        assert await door.turns(3) == 3
        assert order == [0, 1, 2]
        await task

    run(main())


def test_woken_by_another_task(run: Run, door: Any) -> None:
    async def main() -> None:
        event = door.Event()
        task = asyncio.create_task(event.wait())
        await until(lambda: event.waiting() == 1)
        assert not task.done()
        event.set()
        assert await task is True

    run(main())


def test_woken_for_nothing_it_waits_again(run: Run, door: Any) -> None:
    async def main() -> None:
        event = door.Event()
        task = asyncio.create_task(event.wait())
        for _ in range(3):
            await until(lambda: event.waiting() == 1)
            event.wake()
            event.wake()
        await until(lambda: event.waiting() == 1)
        assert not task.done()
        event.set()
        await task

    run(main())


def test_woken_from_another_thread_while_the_loop_sleeps(run: Run, door: Any) -> None:
    async def main() -> None:
        for _ in range(5):
            event = door.Event()
            event.set_from_thread(0.01)
            async with asyncio.timeout(20):
                assert await event.wait() is True
        async with asyncio.timeout(20):
            assert await asyncio.gather(*(door.blocking(number) for number in range(20))) == list(range(20))

    run(main())


def next_thread_state() -> int:
    """The number of a new thread's state: each thread that attaches to Python gets the next one."""
    api = ctypes.pythonapi
    api.PyThreadState_Get.restype = ctypes.c_void_p
    api.PyThreadState_GetID.argtypes = [ctypes.c_void_p]
    api.PyThreadState_GetID.restype = ctypes.c_uint64
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(api.PyThreadState_GetID(api.PyThreadState_Get())))
    thread.start()
    thread.join()
    return found[0]


def test_no_other_thread_attaches_to_python(run: Run, door: Any) -> None:
    async def main() -> None:
        events = [door.Event() for _ in range(50)]
        waiting = [asyncio.ensure_future(event.wait()) for event in events]
        await until(lambda: all(event.waiting() for event in events))
        for number, event in enumerate(events):
            event.set_from_thread(number / 10_000)
        assert await asyncio.gather(*waiting) == [True] * 50
        assert await door.called_at_home(lambda: 1, 10) == 10
        await asyncio.gather(*(door.on_workers(0) for _ in range(10)))

    before = next_thread_state()
    run(main())
    assert next_thread_state() == before + 1


def test_many_that_are_woken_from_threads(run: Run, door: Any) -> None:
    async def main() -> None:
        async def one() -> None:
            event = door.Event()
            event.set_from_thread(0)
            await event.wait()

        async with asyncio.timeout(60):
            for _ in range(20):
                await asyncio.gather(*(one() for _ in range(10)))

    run(main())
    assert door.alive() == 0


def test_cancelling_the_task_drops_the_future(run: Run, door: Any) -> None:
    async def main() -> None:
        task = asyncio.create_task(door.never())
        await until(lambda: door.alive() == 1)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert door.alive() == 0

    run(main())


def test_a_task_that_is_cancelled_before_it_begins(run: Run, door: Any) -> None:
    async def main() -> None:
        task = asyncio.create_task(door.never())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert door.alive() == 0

    run(main())


def test_a_timeout_ends_it(run: Run, door: Any) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await door.never()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(door.never(), 0.01)
        assert door.alive() == 0

    run(main())


def test_a_wake_after_the_cancel_does_nothing(run: Run, door: Any) -> None:
    async def main() -> None:
        event = door.Event()
        task = asyncio.create_task(event.wait())
        await until(lambda: event.waiting() == 1)
        task.cancel()
        event.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)

    run(main())


def test_gather_of_what_is_ready_and_what_is_not(run: Run, door: Any) -> None:
    async def main() -> None:
        event = door.Event()
        gathered = asyncio.gather(door.value(1), event.wait(), door.value(3))
        await until(lambda: event.waiting() == 1)
        event.set()
        assert await gathered == [1, True, 3]

    run(main())


@pytest.mark.parametrize("after_a_turn", [False, True])
def test_a_panic_becomes_an_exception_and_the_others_go_on(run: Run, door: Any, after_a_turn: bool) -> None:
    async def main() -> None:
        event = door.Event()
        other = asyncio.create_task(event.wait())
        await until(lambda: event.waiting() == 1)
        try:
            await door.panics(after_a_turn)
        except BaseException as error:
            assert type(error).__name__ == "PanicException"
            assert str(error) == "oh no"
        else:
            raise AssertionError("it has not panicked")
        assert door.alive() == 1
        event.set()
        await other

    run(main())


def test_never_awaited(door: Any) -> None:
    with pytest.warns(RuntimeWarning, match="coroutine 'never' was never awaited"):
        door.never()
    assert door.alive() == 0


def test_closed_before_it_began(door: Any) -> None:
    coroutine = door.never()
    coroutine.close()
    coroutine.close()
    assert door.alive() == 0
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        coroutine.send(None)


def test_awaited_twice(run: Run, door: Any) -> None:
    async def main() -> None:
        coroutine = door.ready()
        await coroutine
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await coroutine

    run(main())


def test_driven_by_hand(door: Any) -> None:
    coroutine = door.turns(1)
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        coroutine.send(1)
    assert coroutine.send(None) is None
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value == 1
    with pytest.raises(KeyError):
        door.turns(1).throw(KeyError("no"))
    with pytest.raises(KeyError):
        door.turns(1).throw(KeyError, "no", None)
    with pytest.raises(RuntimeError, match="no running event loop"):
        door.never().send(None)


def test_what_one_sees_of_it(door: Any) -> None:
    coroutine = door.Event().wait()
    assert (coroutine.__name__, coroutine.__qualname__) == ("wait", "Event.wait")
    assert asyncio.iscoroutine(coroutine)
    assert not coroutine.cr_running
    assert "lib.rs" in coroutine.cr_origin
    assert repr(coroutine).startswith("<Rust coroutine Event.wait (")
    coroutine.close()


def test_a_local_one_does_not_leave_its_thread(run: Run, door: Any) -> None:
    async def main() -> None:
        assert await door.local() == 1

    run(main())
    coroutine = door.local()
    caught: list[BaseException] = []

    def other() -> None:
        try:
            coroutine.send(None)
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert "cannot leave it" in str(caught[0])
    coroutine.close()


def test_a_local_one_that_is_dropped_elsewhere_is_sent_home(run: Run, door: Any) -> None:
    async def main() -> None:
        coroutine = door.local()
        assert coroutine.send(None) is None
        held = [coroutine]
        del coroutine
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
        await until(lambda: door.alive() == 0)

    run(main())


def test_a_local_one_whose_loop_has_gone_is_leaked_with_a_warning(loop: Any, door: Any) -> None:
    before = door.alive()
    held = []

    async def main() -> None:
        held.append(door.local())
        assert held[0].send(None) is None

    loop.run_until_complete(main())
    loop.close()
    with pytest.warns(RuntimeWarning, match=r"local \(.*\) was dropped on another thread than its own"):
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
    assert door.alive() == before + 1
    door.forget(1)


def test_in_debug_mode_one_that_nobody_can_wake_is_told_of(loop: Any, run: Run, door: Any) -> None:
    async def main() -> None:
        task = asyncio.create_task(door.never())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    loop.set_debug(True)
    with pytest.warns(RuntimeWarning, match=r"never \(.*lib.rs.*\) waits, and nobody has kept its waker"):
        run(main())
    loop.set_debug(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main())


def test_in_debug_mode_one_that_can_be_woken_is_not_told_of(loop: Any, run: Run, door: Any) -> None:
    async def main() -> None:
        event = door.Event()
        event.set_from_thread(0.001)
        await event.wait()
        await door.sleep(1)
        await door.passes_on(asyncio.sleep(0.001))
        assert await door.limited(door.Event(), 1)

    loop.set_debug(True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main())


def test_what_it_held_is_gone_when_it_has_ended(run: Run, door: Any) -> None:
    class Thing:
        pass

    async def main() -> None:
        thing = Thing()
        reference = weakref.ref(thing)
        coroutine = door.holds(thing)
        del thing
        await coroutine
        assert reference() is None
        thing = Thing()
        reference = weakref.ref(thing)
        coroutine = door.holds(thing)
        del thing
        coroutine.close()
        assert reference() is None
        coroutine = door.holds(held := Thing())
        reference = weakref.ref(held)
        del held
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            del coroutine
        assert reference() is None

    run(main())


def test_a_slow_poll_is_named_in_the_report_of_slow_callbacks(
    door: Any, caplog: pytest.LogCaptureFixture
) -> None:
    loop = new_loop("ironloop")
    loop.set_debug(True)
    loop.slow_callback_duration = 0.01

    def blocks() -> None:
        time.sleep(0.03)

    async def main() -> None:
        await door.busy(30)
        await asyncio.sleep(0)
        blocks()

    loop.run_until_complete(main())
    loop.close()
    slow = [record.getMessage() for record in caplog.records if "Executing" in record.getMessage()]
    assert re.search(
        r"in Rust busy \(door_extension::busy::.*lib\.rs:\d+:\d+\), took 0\.\d+ seconds", slow[0]
    )
    assert len(slow) == 2 and "Rust" not in slow[1]


def test_the_rust_futures_that_tasks_await(run: Run, door: Any) -> None:
    ironloop = pytest.importorskip("ironloop")
    event = door.Event()

    async def waits() -> None:
        await event.wait()

    async def main() -> None:
        tasks = [asyncio.create_task(waits(), name="outer"), asyncio.create_task(event.wait(), name="own")]
        await until(lambda: event.waiting() == 2)
        found = sorted(ironloop.rust_tasks(), key=lambda one: str(one.task.get_name()))
        assert [(one.name, one.crate, one.state) for one in found] == [
            ("Event.wait", "door_extension", "waits")
        ] * 2
        assert [one.task for one in found] == tasks
        assert "Event::wait" in found[0].function
        assert re.search(r"lib\.rs:\d+$", found[0].place)
        (state,) = (one for one in ironloop.tasks() if one.task is tasks[0])
        assert state.reason == "Rust Event.wait"
        assert state.place == found[0].place
        event.set()
        await asyncio.gather(*tasks)
        assert ironloop.rust_tasks() == []

    run(main())


def test_a_loop_closed_while_futures_wait_drops_them(loop: asyncio.AbstractEventLoop, door: Any) -> None:
    event = door.Event()

    async def main() -> None:
        task = asyncio.create_task(event.wait())
        await until(lambda: event.waiting() == 1)
        # asyncio would tell of it.
        task._log_destroy_pending = False  # type: ignore[attr-defined]

    loop.run_until_complete(main())
    loop.close()
    # Nobody is there any more.
    event.set()
    event.set_from_thread(0)
    gc.collect()
    assert door.alive() == 0


def test_the_context_is_the_tasks(run: Run, door: Any) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    async def main() -> None:
        variable.set(1)
        await door.turns(2)
        assert variable.get() == 1

    run(main())


def test_one_loop_after_another(door: Any) -> None:
    for name in ("asyncio", "ironloop", "asyncio", "ironloop"):
        if name not in CHOSEN:
            continue
        loop = new_loop(name)

        async def main() -> None:
            event = door.Event()
            event.set_from_thread(0.001)
            await event.wait()

        loop.run_until_complete(main())
        loop.close()
    assert door.alive() == 0


def test_time_on_the_loops_own_clock(run: Run, door: Any) -> None:
    async def main() -> None:
        begin = time.monotonic()
        assert await door.sleep(20) == 20
        assert time.monotonic() - begin >= 0.02
        assert await asyncio.gather(*(door.sleep(number) for number in (3, 1, 2))) == [3, 1, 2]
        event = door.Event()
        assert await door.limited(event, 5)
        event.set()
        assert not await door.limited(event, 10_000)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await door.sleep(60_000)

    run(main())


def test_sockets_and_what_is_spawned(run: Run, door: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            for size in (1, 100_000):
                data = os.urandom(size)
                assert bytes(await door.echo(data)) == data
            answers = await asyncio.gather(*(door.echo(bytes([number])) for number in range(10)))
            assert [bytes(answer)[0] for answer in answers] == list(range(10))

    run(main())


def test_what_is_spawned_ends_with_the_loop(loop: asyncio.AbstractEventLoop, door: Any) -> None:
    loop.run_until_complete(door.spawns_what_never_ends())
    assert door.alive() == 1
    loop.close()
    gc.collect()
    assert door.alive() == 0


def test_rust_awaits_python(run: Run, door: Any) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    async def main() -> None:
        outer = asyncio.current_task()

        async def inner() -> str:
            assert asyncio.current_task() is outer
            for _ in range(3):
                await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            variable.set(1)
            return "inner"

        assert await door.passes_on(inner()) == "inner"
        assert variable.get() == 1
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, 5)
        assert await door.passes_on(future) == 5
        assert await door.passes_on(asyncio.create_task(inner_of_a_task())) == "task"
        assert await door.passes_on(door.passes_on(asyncio.sleep(0, "deep"))) == "deep"
        with pytest.raises(TypeError, match="can't be used in 'await' expression"):
            door.passes_on(1)

    async def inner_of_a_task() -> str:
        await asyncio.sleep(0)
        return "task"

    run(main())


def test_an_error_of_pythons_is_the_outcome(run: Run, door: Any) -> None:
    async def main() -> None:
        async def fails() -> None:
            await asyncio.sleep(0)
            raise KeyError("no")

        with pytest.raises(KeyError):
            await door.passes_on(fails())

    run(main())


def test_a_cancellation_reaches_what_rust_awaits_first(run: Run, door: Any) -> None:
    async def main() -> None:
        seen: list[str] = []

        async def inner() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("cancelled")
                await asyncio.sleep(0)
                raise
            finally:
                seen.append("finally")

        task = asyncio.create_task(door.passes_on(inner()))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["cancelled", "finally"]
        assert door.alive() == 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await door.passes_on(asyncio.sleep(60))

    run(main())


def test_several_at_a_time_are_tasks(run: Run, door: Any) -> None:
    async def main() -> None:
        async def one(number: int) -> int:
            await asyncio.sleep(0.001 * number)
            return number

        async with asyncio.timeout(20):
            assert await door.together([one(3), one(1), one(2)]) == [3, 1, 2]

    run(main())


def test_each_is_polled_when_its_own_waker_is_called(run: Run, door: Any) -> None:
    async def main() -> None:
        async def one(number: int) -> int:
            await asyncio.sleep(0)
            await asyncio.sleep(0.001 * number)
            await asyncio.sleep(0)
            return number

        async with asyncio.timeout(20):
            assert await door.each_by_its_waker([one(2)]) == 2
            assert await door.each_by_its_waker([one(3), one(1), door.passes_on(one(2))]) == 6

    run(main())


def test_what_comes_first_cancels_the_other(run: Run, door: Any) -> None:
    async def main() -> None:
        ended: list[str] = []

        async def inner(seconds: float) -> None:
            try:
                await asyncio.sleep(seconds)
            finally:
                ended.append("inner")

        async with asyncio.timeout(20):
            event = door.Event()
            assert await door.either(inner(0.001), event) == "awaitable"
            event.set_from_thread(0.005)
            assert await door.either(inner(60), event) == "event"
            assert ended == ["inner", "inner"]

        event = door.Event()
        task = asyncio.create_task(door.either(inner(60), event))
        await until(lambda: event.waiting() > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(ended) == 3

    run(main())


def test_in_a_spawned_future_it_is_a_task(run: Run, door: Any) -> None:
    async def main() -> None:
        outer = asyncio.current_task()

        async def inner() -> bool:
            await asyncio.sleep(0.001)
            return asyncio.current_task() is outer

        async with asyncio.timeout(20):
            assert await door.spawned(inner()) is False

    run(main())


def test_an_iterator(run: Run, door: Any) -> None:
    async def main() -> None:
        assert [number async for number in door.numbers(3, False)] == [0, 1, 2]
        numbers = door.numbers(2, True)
        with pytest.raises(ValueError, match="at the end"):
            async for number in numbers:
                assert number in (0, 1)
        assert door.alive() == 0
        with pytest.raises(StopAsyncIteration):
            await anext(numbers)
        numbers = door.numbers(5, False)
        assert await anext(numbers) == 0
        task = asyncio.ensure_future(anext(numbers))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already running"):
            await anext(numbers)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await anext(numbers) == 1
        await numbers.aclose()
        assert door.alive() == 0
        with pytest.raises(StopAsyncIteration):
            await anext(numbers)

    run(main())


def test_one_that_is_told_of_its_cancellation_ends_cleanly(run: Run, door: Any) -> None:
    async def main() -> None:
        event = door.Event()
        task = asyncio.create_task(door.ends_cleanly(event))
        await until(lambda: door.alive() == 1)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert door.alive() == 0
        # It is set.
        assert await event.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await door.ends_cleanly(event)
        coroutine = door.ends_cleanly(event)
        coroutine.close()
        assert door.alive() == 0

    run(main())


def test_a_worker_has_the_loops_thread_call(run: Run, door: Any) -> None:
    async def main() -> None:
        threads: set[int] = set()

        def called() -> int:
            threads.add(threading.get_ident())
            return 2

        async with asyncio.timeout(60):
            assert await door.called_at_home(called, 10) == 20
            assert threads == {threading.get_ident()}

            def fails() -> int:
                raise KeyError("no")

            with pytest.raises(KeyError):
                await door.called_at_home(fails, 1)

    run(main())


def test_the_synchronous_twin(door: Any) -> None:
    assert door.sleep_now(1) == 1
    main = threading.get_ident()
    timer = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        door.sleep_now(60_000)
    timer.join()


def test_tokio_s_workers_poll_what_is_awaited_here(run: Run, door: Any) -> None:
    async def main() -> None:
        values = await asyncio.gather(*(door.on_workers(number) for number in range(5)))
        assert [value for value, _ in values] == list(range(5))
        assert {name for _, name in values} == {"ironloop-tokio"}
        with pytest.raises(ValueError, match="ironloop-tokio"):
            await door.on_workers(7)
        with pytest.raises(BaseException, match="thirteen"):
            await door.on_workers(13)

    run(main())


def test_cancelling_aborts_what_tokio_s_workers_poll(run: Run, door: Any) -> None:
    async def main() -> None:
        before = door.alive()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await door.on_workers(60_000)
        await until(lambda: door.alive() == before)

    run(main())


def test_in_tokio_s_context_futures_are_polled_here(run: Run, door: Any) -> None:
    async def main() -> None:
        assert await asyncio.gather(*(door.in_context(2) for _ in range(10))) == [True] * 10

    run(main())


@needs_ironloop
def test_sockets_of_rust_are_outside_of_a_simulation(door: Any) -> None:
    import ironloop

    async def main() -> bytes:
        await asyncio.sleep(3600)
        return await door.echo(b"hello")

    with ironloop.simulation(1) as sim, pytest.raises(OSError, match="unreachable"):
        sim.run(main())
