"""call_soon: many callbacks in one turn, and one callback a turn."""

from __future__ import annotations

import asyncio

from harness.workload import Figure, Stopwatch, timed


def nothing() -> None:
    pass


async def batches(size: int, count: int, watch: Stopwatch) -> None:
    loop = asyncio.get_running_loop()
    with watch:
        for _ in range(count // size):
            for _ in range(size):
                loop.call_soon(nothing)
            ran = loop.create_future()
            loop.call_soon(ran.set_result, None)
            await ran


@timed("call_soon/batch", Figure.RATE, count=1_000_000)
async def batch(count: int, watch: Stopwatch) -> None:
    await batches(10_000, count, watch)


@timed("call_soon/batch-1k", Figure.RATE, count=1_000_000)
async def batch_1k(count: int, watch: Stopwatch) -> None:
    await batches(1_000, count, watch)


@timed("call_soon/chained", Figure.RATE, count=200_000)
async def chained(count: int, watch: Stopwatch) -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def step(left: int) -> None:
        if left:
            loop.call_soon(step, left - 1)
        else:
            ended.set_result(None)

    with watch:
        loop.call_soon(step, count)
        await ended
