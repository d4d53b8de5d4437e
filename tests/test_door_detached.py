"""Rust futures that are polled while other threads run Python, on ironloop, asyncio and uvloop."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from typing import Any

import pytest
from conftest import Complete
from support import until

# The first test may have to build the extension.
pytestmark = [pytest.mark.timeout(600), pytest.mark.three_loops]


class Thing:
    """May be referred to weakly."""


@pytest.mark.parametrize("how", ["meet", "meet_spawned", "meet_on_workers"])
def test_other_threads_run_python_during_a_poll(complete: Complete, door: Any, how: str) -> None:
    meeting = door.Meeting()

    def come() -> None:
        while not meeting.has_begun():
            time.sleep(0.001)
        meeting.come()

    async def main() -> None:
        thread = threading.Thread(target=come)
        thread.start()
        try:
            assert await getattr(meeting, how)() == "met"
        finally:
            thread.join()

    complete(main())


def test_it_waits_as_others_do(complete: Complete, door: Any) -> None:
    event = door.Event()

    async def given() -> str:
        await asyncio.sleep(0.001)
        return "given"

    async def main() -> None:
        task = asyncio.ensure_future(door.waits_detached(given(), event))
        await until(lambda: event.waiting() > 0)
        event.set()
        assert await task == ("given", True)

    complete(main())


def test_a_cancellation_drops_it(complete: Complete, door: Any) -> None:
    event = door.Event()

    async def main() -> None:
        task = asyncio.ensure_future(door.waits_detached(asyncio.sleep(0, "given"), event))
        await until(lambda: event.waiting() > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    complete(main())


@pytest.mark.parametrize("panics", [False, True])
def test_what_it_holds_is_let_go_at_its_end(complete: Complete, door: Any, panics: bool) -> None:
    async def main() -> None:
        thing = Thing()
        gone = weakref.ref(thing)
        awaitable = door.holds_detached(thing, panics)
        del thing
        if panics:
            with pytest.raises(BaseException, match="oh no"):
                await awaitable
        else:
            assert await awaitable is None
        assert gone() is None
        # The next one finds things as they were.
        assert await door.value(7) == 7

    complete(main())
