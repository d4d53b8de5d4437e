"""Futures: set before they are awaited, and while a task waits for them."""

from __future__ import annotations

import asyncio

from harness.workload import Figure, Stopwatch, timed


@timed("future/ready", Figure.RATE, count=1_500_000)
async def ready(count: int, watch: Stopwatch) -> None:
    """Set before it is awaited: the loop has no part in it."""
    loop = asyncio.get_running_loop()
    with watch:
        for _ in range(count):
            future = loop.create_future()
            future.set_result(None)
            await future


@timed("future/awaited", Figure.RATE, count=600_000)
async def awaited(count: int, watch: Stopwatch) -> None:
    """Set by a callback while the task waits: a callback and a wake-up."""
    loop = asyncio.get_running_loop()
    with watch:
        for _ in range(count):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future
