"""Memory: what a task costs that only sleeps."""

from __future__ import annotations

import asyncio
import gc
import resource
from pathlib import Path

from harness.workload import Figure, measured

WARM_UP = 100


async def sleeper() -> None:
    await asyncio.sleep(60)


async def growth(tasks: int) -> int:
    """Bytes by which this process's resident memory grows while so many tasks sleep."""
    gc.collect()
    before = resident()
    sleeping = [asyncio.create_task(sleeper()) for _ in range(tasks)]
    await asyncio.sleep(0)  # a turn, in which each of them falls asleep
    grown = resident() - before
    for task in sleeping:
        task.cancel()
    await asyncio.wait(sleeping)
    return grown


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@measured("memory/sleeping-task", {"bytes": Figure.MEMORY}, count=100_000)
async def sleeping_task(count: int) -> dict[str, float]:
    # Few: memory that a large warm-up has freed would be used again, and not be seen.
    await growth(WARM_UP)
    return {"bytes": await growth(count) / count}
