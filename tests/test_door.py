"""Awaitables of Rust futures: ready, woken, in their turn; on ironloop, asyncio and uvloop."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from conftest import Complete
from support import until

# The first test may have to build the extension.
pytestmark = [pytest.mark.timeout(600), pytest.mark.three_loops]


def test_one_that_is_ready_gives_its_value_at_once(complete: Complete, door: Any) -> None:
    async def main() -> None:
        assert await door.ready() is None
        thing = object()
        assert await door.value(thing) is thing
        assert await door.value((1, 2)) == (1, 2)
        error = ValueError("no")
        assert await door.value(error) is error
        with pytest.raises(ValueError, match="oh"):
            await door.fail("oh")

    complete(main())


def test_what_is_ready_takes_no_turn(complete: Complete, door: Any) -> None:
    async def main() -> None:
        order: list[str] = []
        asyncio.get_running_loop().call_soon(order.append, "turn")
        await door.ready()
        order.append("ready")
        await asyncio.sleep(0)
        assert order == ["ready", "turn"]

    complete(main())


def test_one_that_gives_way_comes_again_in_its_turn(complete: Complete, door: Any) -> None:
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

    complete(main())


def test_woken_by_another_task(complete: Complete, door: Any) -> None:
    async def main() -> None:
        event = door.Event()
        task = asyncio.create_task(event.wait())
        await until(lambda: event.waiting() == 1)
        assert not task.done()
        event.set()
        assert await task is True

    complete(main())


def test_woken_for_nothing_it_waits_again(complete: Complete, door: Any) -> None:
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

    complete(main())


def test_woken_from_another_thread_while_the_loop_sleeps(complete: Complete, door: Any) -> None:
    async def main() -> None:
        for _ in range(5):
            event = door.Event()
            event.set_from_thread(0.01)
            async with asyncio.timeout(20):
                assert await event.wait() is True
        async with asyncio.timeout(20):
            assert await asyncio.gather(*(door.blocking(number) for number in range(20))) == list(range(20))

    complete(main())


def test_many_that_are_woken_from_threads(complete: Complete, door: Any) -> None:
    async def main() -> None:
        async def one() -> None:
            event = door.Event()
            event.set_from_thread(0)
            await event.wait()

        async with asyncio.timeout(60):
            for _ in range(20):
                await asyncio.gather(*(one() for _ in range(10)))

    complete(main())
    assert door.alive() == 0


def test_gather_of_what_is_ready_and_what_is_not(complete: Complete, door: Any) -> None:
    async def main() -> None:
        event = door.Event()
        gathered = asyncio.gather(door.value(1), event.wait(), door.value(3))
        await until(lambda: event.waiting() == 1)
        event.set()
        assert await gathered == [1, True, 3]

    complete(main())


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


def test_the_context_is_the_tasks(complete: Complete, door: Any) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    async def main() -> None:
        variable.set(1)
        await door.turns(2)
        assert variable.get() == 1

    complete(main())


def test_an_iterator(complete: Complete, door: Any) -> None:
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

    complete(main())
