"""Rust futures where processes fork and end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rust_extension

TESTS = Path(__file__).parent


# The first test may have to build the extension.
pytestmark = [pytest.mark.timeout(600), pytest.mark.three_loops]


# Imports what is built already.
SETUP = f"""
sys.path.insert(0, {str(TESTS)!r})
import rust_extension
door = rust_extension.build()
"""


def run(loop_name: str, body: str, count: int = 1, panics: bool = False) -> str:
    """Runs a program that has ``run`` and ``door``; it may tell of panics, and of what asyncio finds."""
    refused = ".*Fatal" if panics else ".*Fatal|.*panicked"
    return rust_extension.run_program(loop_name, SETUP, body, count, says=f"(?!{refused}).*")


def test_an_exit_while_threads_wake(door: Any, loop_name: str) -> None:
    body = """
    events = [door.Event() for _ in range(50)]

    async def main():
        for number, event in enumerate(events):
            asyncio.ensure_future(event.wait())
        await asyncio.sleep(0)
        for number, event in enumerate(events):
            event.set_from_thread(number * 0.0005)
        await asyncio.sleep(0.005)

    run(main())
    """
    run(loop_name, body, count=5)


def test_an_exit_from_inside_of_the_loop(door: Any, loop_name: str) -> None:
    body = """
    async def main():
        event = door.Event()
        asyncio.ensure_future(event.wait())
        asyncio.ensure_future(door.never())
        asyncio.ensure_future(door.sleep(50))
        event.set_from_thread(0)
        await asyncio.sleep(0.001)
        sys.exit(0)

    run(main())
    """
    run(loop_name, body, count=3)


def test_a_loop_that_nobody_closes(door: Any, loop_name: str) -> None:
    body = f"""
    loop = {loop_name}.new_event_loop()
    event = door.Event()

    async def main():
        asyncio.ensure_future(event.wait())
        asyncio.ensure_future(door.sleep(50))
        event.set_from_thread(0.001)
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    """
    run(loop_name, body, count=3)


def test_a_child_begins_anew_and_the_parent_goes_on(door: Any, loop_name: str) -> None:
    body = """
    def child(event):
        # The parent's.
        event.set()

        async def main():
            mine = door.Event()
            mine.set_from_thread(0.005)
            assert await mine.wait()
            assert await door.sleep(1) == 1
            assert await door.blocking(1) == 1

        asyncio.run(main())
        run(main())

    async def main():
        event = door.Event()
        task = asyncio.ensure_future(event.wait())
        await asyncio.sleep(0.001)
        await door.sleep(1)
        pid = os.fork()
        if not pid:
            try:
                child(event)
            except BaseException:
                import traceback
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        assert status == 0, status
        assert not task.done()
        event.set_from_thread(0.001)
        assert await task
        assert await door.sleep(1) == 1

    run(main())
    """
    run(loop_name, body)


def test_one_run_after_another(door: Any, loop_name: str) -> None:
    body = """
    async def main():
        event = door.Event()
        event.set_from_thread(0.001)
        await event.wait()
        await door.sleep(1)

    for _ in range(20):
        run(main())
    asyncio.run(main())
    run(main())
    assert door.alive() == 0
    print("done", len(os.listdir("/proc/self/fd")) < 40)
    """
    assert run(loop_name, body) == "done True\n"
