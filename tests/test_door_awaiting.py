"""Rust futures that await what is Python's, on ironloop, asyncio and uvloop."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from conftest import Complete
from support import until

# The first test may have to build the extension.
pytestmark = [pytest.mark.timeout(600), pytest.mark.three_loops]


def test_rust_awaits_python(complete: Complete, door: Any) -> None:
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

    complete(main())


def test_an_error_of_pythons_is_the_outcome(complete: Complete, door: Any) -> None:
    async def main() -> None:
        async def fails() -> None:
            await asyncio.sleep(0)
            raise KeyError("no")

        with pytest.raises(KeyError):
            await door.passes_on(fails())

    complete(main())


def test_a_cancellation_reaches_what_rust_awaits_first(complete: Complete, door: Any) -> None:
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

    complete(main())


def test_several_at_a_time_are_tasks(complete: Complete, door: Any) -> None:
    async def main() -> None:
        async def one(number: int) -> int:
            await asyncio.sleep(0.001 * number)
            return number

        async with asyncio.timeout(20):
            assert await door.together([one(3), one(1), one(2)]) == [3, 1, 2]

    complete(main())


def test_each_is_polled_when_its_own_waker_is_called(complete: Complete, door: Any) -> None:
    async def main() -> None:
        async def one(number: int) -> int:
            await asyncio.sleep(0)
            await asyncio.sleep(0.001 * number)
            await asyncio.sleep(0)
            return number

        async with asyncio.timeout(20):
            assert await door.each_by_its_waker([one(2)]) == 2
            assert await door.each_by_its_waker([one(3), one(1), door.passes_on(one(2))]) == 6

    complete(main())


def test_what_comes_first_cancels_the_other(complete: Complete, door: Any) -> None:
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

    complete(main())


def test_in_a_spawned_future_it_is_a_task(complete: Complete, door: Any) -> None:
    async def main() -> None:
        outer = asyncio.current_task()

        async def inner() -> bool:
            await asyncio.sleep(0.001)
            return asyncio.current_task() is outer

        async with asyncio.timeout(20):
            assert await door.spawned(inner()) is False

    complete(main())
