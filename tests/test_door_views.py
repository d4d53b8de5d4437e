"""What one sees of Rust futures, on ironloop, asyncio and uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import warnings
from typing import Any

import pytest
from conftest import Complete, needs_ironloop
from support import until

# The first test may have to build the extension.
pytestmark = [pytest.mark.timeout(600), pytest.mark.three_loops]


def test_what_one_sees_of_it(door: Any) -> None:
    coroutine = door.Event().wait()
    assert (coroutine.__name__, coroutine.__qualname__) == ("wait", "Event.wait")
    assert asyncio.iscoroutine(coroutine)
    assert not coroutine.cr_running
    assert "lib.rs" in coroutine.cr_origin
    assert repr(coroutine).startswith("<Rust coroutine Event.wait (")
    coroutine.close()


def test_in_debug_mode_one_that_nobody_can_wake_is_told_of(loop: Any, complete: Complete, door: Any) -> None:
    async def main() -> None:
        task = asyncio.create_task(door.never())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    loop.set_debug(True)
    with pytest.warns(RuntimeWarning, match=r"never \(.*lib.rs.*\) waits, and nobody has kept its waker"):
        complete(main())
    loop.set_debug(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        complete(main())


def test_in_debug_mode_one_that_can_be_woken_is_not_told_of(loop: Any, complete: Complete, door: Any) -> None:
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
        complete(main())


@needs_ironloop
def test_a_slow_poll_is_named_in_the_report_of_slow_callbacks(
    door: Any, caplog: pytest.LogCaptureFixture
) -> None:
    import ironloop

    loop = ironloop.new_event_loop()
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


def test_the_rust_futures_that_tasks_await(complete: Complete, door: Any) -> None:
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

    complete(main())


@needs_ironloop
def test_the_rust_futures_that_others_have_spawned(door: Any) -> None:
    import ironloop

    async def main() -> None:
        await door.spawns_what_never_ends()
        assert [one.state for one in ironloop.rust_tasks()] == ["fresh"]
        await asyncio.sleep(0)
        (found,) = ironloop.rust_tasks()
        assert (found.name, found.crate, found.state) == ("spawned", "door_extension", "waits")
        assert "::spawns_what_never_ends::" in found.function
        assert re.search(r"spawned\.rs:\d+$", found.place)
        assert found.task is None

    ironloop.run(main())
