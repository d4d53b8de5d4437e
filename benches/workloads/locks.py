"""Locks: free and contended, a semaphore that half of the tasks may hold, two events back and forth."""

from __future__ import annotations

import asyncio

from harness.workload import Figure, Stopwatch, timed

TASKS = 10


async def contend(lock: asyncio.Lock | asyncio.Semaphore, count: int, watch: Stopwatch) -> None:
    """Each holder lets the others run, so they find the lock taken."""

    async def hold() -> None:
        for _ in range(count // TASKS):
            async with lock:
                await asyncio.sleep(0)

    tasks = [asyncio.create_task(hold()) for _ in range(TASKS)]
    with watch:
        await asyncio.wait(tasks)


@timed("lock/contended", Figure.RATE, count=300_000)
async def contended(count: int, watch: Stopwatch) -> None:
    await contend(asyncio.Lock(), count, watch)


@timed("lock/free", Figure.RATE, count=1_500_000)
async def free(count: int, watch: Stopwatch) -> None:
    lock = asyncio.Lock()
    with watch:
        for _ in range(count):
            async with lock:
                pass


@timed("semaphore/contended", Figure.RATE, count=300_000)
async def semaphore(count: int, watch: Stopwatch) -> None:
    await contend(asyncio.Semaphore(TASKS // 2), count, watch)


@timed("event/ping-pong", Figure.RATE, count=300_000)
async def ping_pong(count: int, watch: Stopwatch) -> None:
    """A round trip is counted once: two events set, two tasks woken."""
    ping, pong = asyncio.Event(), asyncio.Event()

    async def answer() -> None:
        for _ in range(count):
            await ping.wait()
            ping.clear()
            pong.set()

    answering = asyncio.create_task(answer())
    with watch:
        for _ in range(count):
            ping.set()
            await pong.wait()
            pong.clear()
    await answering
