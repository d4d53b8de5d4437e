"""Timeouts that do not come: wait_for and the timeout block."""

from __future__ import annotations

import asyncio

from harness.workload import Figure, Stopwatch, timed

FAR = 60


async def ends_at_once() -> None:
    pass


async def waits_a_turn() -> None:
    await asyncio.sleep(0)


@timed("wait_for/ready", Figure.RATE, count=300_000)
async def wait_for_ready(count: int, watch: Stopwatch) -> None:
    with watch:
        for _ in range(count):
            await asyncio.wait_for(ends_at_once(), FAR)


@timed("wait_for/suspended", Figure.RATE, count=300_000)
async def wait_for_suspended(count: int, watch: Stopwatch) -> None:
    with watch:
        for _ in range(count):
            await asyncio.wait_for(waits_a_turn(), FAR)


@timed("timeout/block", Figure.RATE, count=300_000)
async def block(count: int, watch: Stopwatch) -> None:
    with watch:
        for _ in range(count):
            async with asyncio.timeout(FAR):
                await asyncio.sleep(0)
