"""Tasks: switching between them, making them, and a group of them."""

from __future__ import annotations

import asyncio

from harness.workload import BareBody, Figure, Stopwatch, timed


async def yield_to_the_loop(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


def bare_switches(tasks: int) -> BareBody:
    """The same between coroutines that nothing but the bare loop in C resumes."""

    def body(count: int, watch: Stopwatch) -> None:
        import bare_loop

        async def yield_to_the_bare_loop(times: int) -> None:
            for _ in range(times):
                await bare_loop.pause()

        coroutines = [yield_to_the_bare_loop(count // tasks) for _ in range(tasks)]
        with watch:
            bare_loop.run(coroutines)

    return body


@timed("sleep-zero/1-task", Figure.RATE, count=1_000_000, bare=bare_switches(1))
async def sleep_zero(count: int, watch: Stopwatch) -> None:
    with watch:
        await yield_to_the_loop(count)


@timed("sleep-zero/1000-tasks", Figure.RATE, count=2_000_000, bare=bare_switches(1000))
async def sleep_zero_many(count: int, watch: Stopwatch) -> None:
    tasks = [asyncio.create_task(yield_to_the_loop(count // 1000)) for _ in range(1000)]
    with watch:
        await asyncio.wait(tasks)


async def trivial() -> None:
    pass


@timed("create-task/await", Figure.RATE, count=300_000)
async def create_task(count: int, watch: Stopwatch) -> None:
    with watch:
        for _ in range(count):
            await asyncio.create_task(trivial())


@timed("task-group/1000", Figure.RATE, count=300_000)
async def task_group(count: int, watch: Stopwatch) -> None:
    with watch:
        for _ in range(count // 1000):
            async with asyncio.TaskGroup() as group:
                for _ in range(1000):
                    group.create_task(trivial())
