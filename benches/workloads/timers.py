"""call_later: timers that fire, timers that are cancelled, and both among many that are pending."""

from __future__ import annotations

import asyncio
import random

from harness.workload import Figure, Stopwatch, timed

BATCH = 50_000
TURN = 1_000
MANY = 100_000

# At least a millisecond: below that uvloop makes a call_soon of it. Spread, so that deadlines arrive out of
# order, and at most 5 ms, which is less than scheduling a batch takes: no loop waits idle.
DELAYS = [0.001 + n * 7919 % 4001 / 1e6 for n in range(BATCH)]


def nothing() -> None:
    pass


@timed("call_later/fired", Figure.RATE, count=500_000)
async def fired(count: int, watch: Stopwatch) -> None:
    loop = asyncio.get_running_loop()

    def fire() -> None:
        nonlocal left
        left -= 1
        if not left:
            all_fired.set_result(None)

    delays = DELAYS[:count]
    with watch:
        for _ in range(count // len(delays)):
            left = len(delays)
            all_fired = loop.create_future()
            for delay in delays:
                loop.call_later(delay, fire)
            await all_fired


@timed("call_later/cancelled", Figure.RATE, count=300_000)
async def cancelled(count: int, watch: Stopwatch) -> None:
    """Many are scheduled, then all cancelled, in one turn; what the loop clears away later is not counted."""
    loop = asyncio.get_running_loop()
    batch = min(count, MANY)
    for _ in range(count // batch):
        with watch:
            handles = [loop.call_later(60, nothing) for _ in range(batch)]
            for handle in handles:
                handle.cancel()
        await asyncio.sleep(0)


@timed("call_later/cancelled-at-random", Figure.RATE, count=300_000)
async def cancelled_at_random(count: int, watch: Stopwatch) -> None:
    """The same, but the deadlines differ, and those are cancelled first that were not scheduled first."""
    loop = asyncio.get_running_loop()
    batch = min(count, MANY)
    delays = [60 + n * 7919 % MANY / 1000 for n in range(batch)]
    order = random.Random(0).sample(range(batch), batch)
    for _ in range(count // batch):
        with watch:
            handles = [loop.call_later(delay, nothing) for delay in delays]
            for n in order:
                handles[n].cancel()
        await asyncio.sleep(0)


@timed("call_later/cancelled-each-turn", Figure.RATE, count=300_000)
async def cancelled_each_turn(count: int, watch: Stopwatch) -> None:
    """A thousand in each turn, and the turn counts: a loop that puts the clearing off pays for it here."""
    loop = asyncio.get_running_loop()
    with watch:
        for _ in range(count // TURN):
            handles = [loop.call_later(60, nothing) for _ in range(TURN)]
            for handle in handles:
                handle.cancel()
            await asyncio.sleep(0)


@timed("call_later/churn-100k", Figure.RATE, count=200_000)
async def churn(count: int, watch: Stopwatch) -> None:
    loop = asyncio.get_running_loop()
    pending = [loop.call_later(3600 + n * 7919 % MANY / 1000, nothing) for n in range(MANY)]
    await asyncio.sleep(0)
    with watch:
        for n in range(count):
            loop.call_later(3600 + n * 104_729 % MANY / 1000, nothing).cancel()
            if n % TURN == 0:
                await asyncio.sleep(0)
    for handle in pending:
        handle.cancel()
