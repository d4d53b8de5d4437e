"""aiotools' virtual clock, put on a loop that runs: hours of timers in no time, and the real clock again."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time

import aiotools


async def main() -> None:
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    real = loop.time()
    clock = aiotools.VirtualClock()
    ticks: list[float] = []

    async def tick(interval: float) -> None:
        ticks.append(loop.time())

    with clock.patch_loop():
        assert loop.time() == 0
        await asyncio.sleep(3600)
        assert abs(loop.time() - 3600) < 0.001
        timer = aiotools.create_timer(tick, 60)
        await asyncio.sleep(600.5)
        await aiotools.cancel_and_wait(timer)
        assert len(ticks) == 11, ticks
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 86400)
        assert abs(loop.time() - 3600 - 600.5 - 86400) < 0.1, loop.time()
    assert time.perf_counter() - begun < 60
    assert real <= loop.time() < real + 60
    await asyncio.sleep(0.001)


if sys.argv[1] == "ironloop":
    import ironloop

    ironloop.run(main())
else:
    asyncio.run(main())
print("jumped")
