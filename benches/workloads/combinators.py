"""Combinators: many at once by gather, the first of some by wait, each as it ends by as_completed."""

from __future__ import annotations

import asyncio
import gc

from harness.workload import Figure, Stopwatch, measured, timed

BATCH = 10_000
DELAY = 0.1
WARM_UP = 100_000

SLEEPS = {"time": Figure.TIME, "beyond": Figure.TIME, "cost": Figure.COST}
"""Of a gather: the whole time, the time beyond the sleep's own, and that for each of the tasks."""


async def trivial() -> None:
    pass


@timed("gather/10k-trivial", Figure.RATE, count=300_000)
async def gather_trivial(count: int, watch: Stopwatch) -> None:
    with watch:
        for _ in range(count // BATCH):
            await asyncio.gather(*[trivial() for _ in range(BATCH)])


async def gather_sleeps(sleeps: int, times: int) -> dict[str, float]:
    await asyncio.gather(*[asyncio.sleep(DELAY) for _ in range(min(sleeps, WARM_UP))])
    gc.collect()
    watch = Stopwatch()
    with watch:
        for _ in range(times):
            await asyncio.gather(*[asyncio.sleep(DELAY) for _ in range(sleeps)])
    time = watch.seconds / times
    return {"time": time, "beyond": time - DELAY, "cost": (time - DELAY) / sleeps}


@measured("gather/10k-sleeps", SLEEPS, count=5)
async def gather_10k(count: int) -> dict[str, float]:
    return await gather_sleeps(10_000, count)


@measured("gather/100k-sleeps", SLEEPS, count=1)
async def gather_100k(count: int) -> dict[str, float]:
    return await gather_sleeps(100_000, count)


@measured("gather/1M-sleeps", SLEEPS, count=1_000_000, patience=4)
async def gather_1m(count: int) -> dict[str, float]:
    """Once, and what is counted are the sleeps: a quick round has fewer of them."""
    return await gather_sleeps(count, 1)


@timed("wait/first-completed", Figure.RATE, count=50_000)
async def first_completed(count: int, watch: Stopwatch) -> None:
    """One of ten ends, the others go on waiting: a program that listens to several sources."""
    never = asyncio.Event()
    idle = [asyncio.create_task(never.wait()) for _ in range(9)]
    await asyncio.sleep(0)
    with watch:
        for _ in range(count):
            tasks = [*idle, asyncio.create_task(trivial())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in idle:
        task.cancel()


@timed("as_completed/100", Figure.RATE, count=200_000)
async def as_completed(count: int, watch: Stopwatch) -> None:
    with watch:
        for _ in range(count // 100):
            for next_one in asyncio.as_completed([trivial() for _ in range(100)]):
                await next_one
