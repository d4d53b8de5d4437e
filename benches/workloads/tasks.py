"""Tasks: switching between them, making them, and gathering many that sleep."""

from __future__ import annotations

import asyncio

from harness.workload import Figure, Stopwatch, timed


async def yield_to_the_loop(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


@timed("sleep-zero/1-task", Figure.RATE, count=300_000)
async def sleep_zero(count: int, watch: Stopwatch) -> None:
    with watch:
        await yield_to_the_loop(count)


@timed("sleep-zero/1000-tasks", Figure.RATE, count=500_000)
async def sleep_zero_many(count: int, watch: Stopwatch) -> None:
    tasks = [asyncio.create_task(yield_to_the_loop(count // 1000)) for _ in range(1000)]
    with watch:
        await asyncio.wait(tasks)


async def trivial() -> None:
    pass


@timed("create-task/await", Figure.RATE, count=100_000)
async def create_task(count: int, watch: Stopwatch) -> None:
    with watch:
        for _ in range(count):
            await asyncio.create_task(trivial())


async def gather_sleeps(sleeps: int, times: int, watch: Stopwatch) -> None:
    with watch:
        for _ in range(times):
            await asyncio.gather(*[asyncio.sleep(0.1) for _ in range(sleeps)])


@timed("gather/10k-sleeps", Figure.TIME, count=3)
async def gather_10k(count: int, watch: Stopwatch) -> None:
    await gather_sleeps(10_000, count, watch)


@timed("gather/100k-sleeps", Figure.TIME, count=1)
async def gather_100k(count: int, watch: Stopwatch) -> None:
    await gather_sleeps(100_000, count, watch)
