"""How Rust futures end: cancelled, dropped, with a panic, with their loop; on three loops."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
import weakref
from typing import Any

import pytest
from conftest import Complete
from support import until

# The first test may have to build the extension.
pytestmark = [pytest.mark.timeout(600), pytest.mark.three_loops]


def test_cancelling_the_task_drops_the_future(complete: Complete, door: Any) -> None:
    async def main() -> None:
        task = asyncio.create_task(door.never())
        await until(lambda: door.alive() == 1)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert door.alive() == 0

    complete(main())


def test_a_task_that_is_cancelled_before_it_begins(complete: Complete, door: Any) -> None:
    async def main() -> None:
        task = asyncio.create_task(door.never())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert door.alive() == 0

    complete(main())


def test_a_timeout_ends_it(complete: Complete, door: Any) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await door.never()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(door.never(), 0.01)
        assert door.alive() == 0

    complete(main())


def test_a_wake_after_the_cancel_does_nothing(complete: Complete, door: Any) -> None:
    async def main() -> None:
        event = door.Event()
        task = asyncio.create_task(event.wait())
        await until(lambda: event.waiting() == 1)
        task.cancel()
        event.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)

    complete(main())


@pytest.mark.parametrize("after_a_turn", [False, True])
def test_a_panic_becomes_an_exception_and_the_others_go_on(
    complete: Complete, door: Any, after_a_turn: bool
) -> None:
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

    complete(main())


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


def test_awaited_twice(complete: Complete, door: Any) -> None:
    async def main() -> None:
        coroutine = door.ready()
        await coroutine
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await coroutine

    complete(main())


def test_a_local_one_does_not_leave_its_thread(complete: Complete, door: Any) -> None:
    async def main() -> None:
        assert await door.local() == 1

    complete(main())
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


def test_a_local_one_that_is_dropped_elsewhere_is_sent_home(complete: Complete, door: Any) -> None:
    async def main() -> None:
        coroutine = door.local()
        assert coroutine.send(None) is None
        held = [coroutine]
        del coroutine
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
        await until(lambda: door.alive() == 0)

    complete(main())


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


def test_what_it_held_is_gone_when_it_has_ended(complete: Complete, door: Any) -> None:
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

    complete(main())


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


def test_what_is_spawned_ends_with_the_loop(loop: asyncio.AbstractEventLoop, door: Any) -> None:
    loop.run_until_complete(door.spawns_what_never_ends())
    assert door.alive() == 1
    loop.close()
    gc.collect()
    assert door.alive() == 0


def test_one_that_is_told_of_its_cancellation_ends_cleanly(complete: Complete, door: Any) -> None:
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

    complete(main())
