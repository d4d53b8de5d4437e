"""Rust futures and streams that end, or let go, as few do; on ironloop, asyncio and uvloop."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from conftest import Complete
from support import until
from test_door_processes import run

# The first test may have to build the extension.
pytestmark = [pytest.mark.timeout(600), pytest.mark.three_loops]


class Thing:
    """May be referred to weakly."""


async def outcome(task: asyncio.Task[Any]) -> str:
    """How it ends, within a time."""
    await asyncio.wait({task}, timeout=5)
    if not task.done():
        return "waits"
    return "cancelled" if task.cancelled() else "ended"


@pytest.mark.parametrize("by", ["gather", "task"])
def test_a_cancellation_ends_what_is_waited_for_beside_others(
    loop: asyncio.AbstractEventLoop, complete: Complete, door: Any, by: str
) -> None:
    ended: list[str] = []
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    async def child() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("child")

    async def inner() -> None:
        await (asyncio.gather(child(), child()) if by == "gather" else asyncio.create_task(child()))

    async def main() -> None:
        event = door.Event()
        task = asyncio.create_task(door.either(inner(), event))
        await until(lambda: event.waiting() > 0)
        await asyncio.sleep(0)
        task.cancel()
        assert await outcome(task) == "cancelled"
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert ended == ["child"] * (2 if by == "gather" else 1)

    complete(main())
    gc.collect()
    assert complaints == []


def test_a_cancellation_that_nobody_has_taken_is_raised(complete: Complete, door: Any) -> None:
    async def main() -> None:
        event = door.Event()
        task = asyncio.create_task(door.lets_go(asyncio.sleep(60), event))
        await until(lambda: event.waiting() > 0)
        task.cancel()
        assert await outcome(task) == "cancelled"
        assert door.alive() == 0

    complete(main())


def test_who_sits_down_after_another_has_the_whole_seat(complete: Complete, door: Any) -> None:
    async def at_once() -> None:
        pass

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        coroutine = door.one_after_another([at_once(), at_once(), future])
        assert coroutine.send(None) is future
        assert coroutine.cr_rust[-1] == "awaits Python"
        coroutine.close()

    complete(main())


def test_an_asynchronous_generator_that_rust_lets_go_of_is_closed(complete: Complete, door: Any) -> None:
    async def main() -> None:
        ended: list[str] = []

        async def numbers() -> AsyncGenerator[int, None]:
            try:
                await asyncio.sleep(60)
                yield 1
            finally:
                ended.append("numbers")

        generator, event = numbers(), door.Event()
        event.set_from_thread(0.001)
        async with asyncio.timeout(20):
            assert await door.either(anext(generator), event) == "event"
        assert not generator.ag_running
        assert ended == ["numbers"]
        await generator.aclose()

    complete(main())


@pytest.mark.parametrize("clones", [False, True])
def test_a_waker_that_another_thread_has_borrowed(complete: Complete, door: Any, clones: bool) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await door.lends_its_waker(clones)

    complete(main())


def test_what_is_sent_home_during_a_poll_is_no_part_of_the_step(complete: Complete, door: Any) -> None:
    async def main() -> None:
        order: list[object] = []

        def called() -> None:
            order.append(asyncio.current_task())

        kept = door.Kept()
        await kept.sends(called)
        order.append("sent")
        async with asyncio.timeout(20):
            while len(order) < 2:
                await asyncio.sleep(0.001)
        assert order == ["sent", None]

    complete(main())


def test_a_stream_that_has_panicked_is_over(complete: Complete, door: Any) -> None:
    async def main() -> None:
        numbers = door.one_and_a_panic()
        assert await anext(numbers) == 1
        with pytest.raises(BaseException, match="oh no"):
            await anext(numbers)
        before = door.polled()
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(numbers)
        await numbers.aclose()
        assert door.polled() == before

    complete(main())


def test_what_a_stream_holds_is_gone_with_it(door: Any) -> None:
    thing = Thing()
    reference = weakref.ref(thing)
    stream = door.holding(thing, False)
    del thing
    assert reference() is not None
    del stream
    assert reference() is None


def test_what_panics_while_it_is_dropped_ends_nothing_else(door: Any, loop_name: str) -> None:
    # Two panics are told of, on stderr.
    body = """
    import weakref

    class Thing:
        pass

    async def main():
        thing = Thing()
        seen = weakref.ref(thing)
        stream = door.holding(thing, True)
        del thing
        del stream
        assert seen() is None
        return door.Kept()

    loop = RUNNER.new_event_loop()
    kept = loop.run_until_complete(main())
    thing = Thing()
    seen = weakref.ref(thing)
    kept.send_holding(thing, True)
    del thing
    assert seen() is not None
    loop.close()
    assert seen() is None
    """
    run(loop_name, body.replace("RUNNER", loop_name), panics=True)


def test_a_child_sends_nothing_to_its_parent_s_loop(door: Any, loop_name: str) -> None:
    body = """
    import weakref

    async def main():
        kept = door.Kept()
        pid = os.fork()
        if not pid:
            class Thing:
                def __call__(self):
                    pass

            thing = Thing()
            seen = weakref.ref(thing)
            kept.send(thing)
            del thing
            os._exit(0 if seen() is None else 1)
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        assert status == 0, status

    run(main())
    """
    run(loop_name, body)
