"""Queues between a producer and a consumer: unbounded, and full after a few items."""

from __future__ import annotations

import asyncio

from harness.workload import Figure, Stopwatch, timed


async def pass_through(maxsize: int, count: int, watch: Stopwatch) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize)

    async def produce() -> None:
        for item in range(count):
            await queue.put(item)

    async def consume() -> None:
        for _ in range(count):
            await queue.get()

    with watch:
        producer, consumer = asyncio.create_task(produce()), asyncio.create_task(consume())
        await producer
        await consumer


@timed("queue/unbounded", Figure.RATE, count=1_000_000)
async def unbounded(count: int, watch: Stopwatch) -> None:
    """Nobody ever waits: everything is put, then everything is taken."""
    await pass_through(0, count, watch)


@timed("queue/maxsize-5", Figure.RATE, count=500_000)
async def maxsize_5(count: int, watch: Stopwatch) -> None:
    await pass_through(5, count, watch)


@timed("queue/maxsize-100", Figure.RATE, count=1_000_000)
async def maxsize_100(count: int, watch: Stopwatch) -> None:
    await pass_through(100, count, watch)
