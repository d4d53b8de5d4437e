"""Random programs of Rust futures and Python coroutines: they end alike on ironloop, asyncio and uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import rust_extension

# The first test may have to build the extension.
pytestmark = pytest.mark.timeout(600)

Make = Callable[[Any], Awaitable[Any]]
"""Makes an awaitable, of the extension."""

PROGRAMS = 25


async def outcome(awaitable: Awaitable[Any]) -> Any:
    """A value, or what was raised."""
    try:
        return await awaitable
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:
        # PyO3's PanicException is a BaseException.
        assert isinstance(error, Exception) or type(error).__name__ == "PanicException", error
        return type(error).__name__


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def ends(task: asyncio.Task[Any]) -> str:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return "cancelled" if task.cancelled() else "ended"


class Program:
    """What comes next is chance; how it ends is not."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def part(self, depth: int) -> Make:
        parts = [self.leaf, self.panic, self.race, self.cancel, self.channel, self.limit]
        if depth > 0:
            parts += [self.through_rust, self.through_python, self.several, self.first, self.spawned]
        return self.chance.choice(parts)(depth - 1)

    def leaf(self, _: int) -> Make:
        number = self.chance.randrange(4)
        return self.chance.choice(
            (
                lambda door: door.ready(),
                lambda door: door.value(number),
                lambda door: door.turns(number),
                lambda door: door.sleep(number),
                lambda door: door.blocking(number),
                lambda door: asyncio.sleep(number / 1000, number),
                lambda door: self.sum(door, number),
            )
        )

    async def sum(self, door: Any, number: int) -> Any:
        return [one async for one in door.numbers(number, number == 3)]

    def panic(self, _: int) -> Make:
        after = self.chance.choice((True, False))
        return self.chance.choice((lambda door: door.panics(after), lambda door: door.fail("no")))

    def race(self, _: int) -> Make:
        async def run(door: Any) -> Any:
            event = door.Event()
            waiting = asyncio.ensure_future(event.wait())
            if from_thread:
                event.set_from_thread(0.001)
            else:
                asyncio.get_running_loop().call_soon(event.set)
            return await waiting

        from_thread = self.chance.choice((True, False))
        return run

    def cancel(self, _: int) -> Make:
        async def run(door: Any) -> Any:
            event = door.Event()
            task = asyncio.ensure_future(door.ends_cleanly(event) if cleanly else door.passes_on(never()))
            for _ in range(turns):
                await asyncio.sleep(0)
            told = await ends(task)
            return told, cleanly and turns > 0 and await event.wait()

        cleanly, turns = self.chance.choice((True, False)), self.chance.randrange(3)
        return run

    def channel(self, _: int) -> Make:
        async def run(door: Any) -> Any:
            channel = door.Channel(room)

            async def sends() -> None:
                for number in range(count):
                    await channel.send(number)
                channel.close()

            sending = asyncio.ensure_future(sends())
            got = []
            while (number := await channel.recv()) is not None:
                got.append(number)
            await sending
            return got

        room, count = self.chance.randrange(1, 4), self.chance.randrange(10)
        return run

    def limit(self, depth: int) -> Make:
        async def run(door: Any) -> Any:
            event = door.Event()
            if comes:
                event.set()
            return await door.limited(event, 10_000 if comes else 1)

        async def of_python(door: Any) -> Any:
            try:
                async with asyncio.timeout(0.001):
                    await door.passes_on(never())
            except TimeoutError:
                return "too late"

        comes = self.chance.choice((True, False))
        return self.chance.choice((run, of_python))

    def through_rust(self, depth: int) -> Make:
        inner = self.part(depth)

        async def python(door: Any) -> Any:
            return await inner(door)

        return lambda door: door.passes_on(python(door))

    def through_python(self, depth: int) -> Make:
        inner = self.part(depth)

        async def run(door: Any) -> Any:
            return await asyncio.wait_for(outcome(inner(door)), 60)

        return run

    def several(self, depth: int) -> Make:
        inner = [self.part(depth) for _ in range(self.chance.randrange(1, 4))]

        async def run(door: Any) -> Any:
            parts = [outcome(one(door)) for one in inner]
            return await (asyncio.gather(*parts) if gathers else door.together(parts))

        gathers = self.chance.choice((True, False))
        return run

    def first(self, depth: int) -> Make:
        inner = self.part(depth)

        async def run(door: Any) -> Any:
            event = door.Event()
            if comes:
                event.set_from_thread(0.001)
            return await door.either(never() if comes else outcome(inner(door)), event)

        comes = self.chance.choice((True, False))
        return run

    def spawned(self, depth: int) -> Make:
        inner = self.part(depth)
        return lambda door: door.spawned(outcome(inner(door)))


@pytest.mark.parametrize("first", range(0, 4 * PROGRAMS, PROGRAMS))
def test_programs_end_alike(door: Any, first: int) -> None:
    def run(name: str, seed: int) -> Any:
        loop = rust_extension.new_loop(name)
        try:
            return loop.run_until_complete(outcome(Program(seed).part(4)(door)))
        finally:
            loop.close()

    before = door.alive()
    for seed in range(first, first + PROGRAMS):
        ended = {name: run(name, seed) for name in rust_extension.loops()}
        assert len({repr(one) for one in ended.values()}) == 1, (seed, ended)
    gc.collect()
    assert door.alive() == before
