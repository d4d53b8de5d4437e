"""Do not block the loop: a heart that beats every 20 ms shows who lets the others live.

All tasks share one thread. A call that does not await keeps it, and until it returns nobody else gets a turn.
"""

import asyncio
import logging
import multiprocessing
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from itertools import pairwise

from narration import chapter

BEAT = 0.02


@asynccontextmanager
async def heartbeat(beside: str) -> AsyncIterator[None]:
    """Let a heart beat beside the block, and print how it fared."""
    moments = [time.perf_counter()]

    async def beat() -> None:
        while True:
            await asyncio.sleep(BEAT)
            moments.append(time.perf_counter())

    heart = asyncio.create_task(beat())
    yield
    heart.cancel()
    beats = len(moments) - 1
    moments.append(time.perf_counter())
    took = moments[-1] - moments[0]
    pause = max(later - earlier for earlier, later in pairwise(moments))
    verdict = "stood still" if pause > took / 2 else "alive"
    print(f"{beside:34} {took:.2f} s  {beats:2} beats, longest pause {pause * 1000:3.0f} ms: {verdict}")


def compute(seconds: float) -> int:
    """Keep the processor busy, with no wait in it; returns how many primes were found."""
    until = time.perf_counter() + seconds
    primes: list[int] = []
    number = 2
    while time.perf_counter() < until:
        if all(number % prime for prime in primes):
            primes.append(number)
        number += 1
    return len(primes)


async def waiting() -> None:
    chapter("Half a second of waiting")
    async with heartbeat("time.sleep(0.5)"):
        time.sleep(0.5)  # noqa: ASYNC251 (the mistake that this is about)
    async with heartbeat("await asyncio.sleep(0.5)"):
        await asyncio.sleep(0.5)
    async with heartbeat("await to_thread(time.sleep, 0.5)"):
        await asyncio.to_thread(time.sleep, 0.5)


async def computing() -> None:
    chapter("Half a second of work for the processor")
    async with heartbeat("compute(0.5)"):
        compute(0.5)
    async with heartbeat("await to_thread(compute, 0.5)"):
        await asyncio.to_thread(compute, 0.5)
    # "spawn", because to fork a process that has threads is not safe.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        async with heartbeat("the same in a process of its own"):
            await asyncio.get_running_loop().run_in_executor(processes, compute, 0.5)
    print("\nA thread has to share the interpreter with the loop, so hearts beat less evenly beside it.")
    print("A process takes a moment to start, and then disturbs nobody.")


async def debug_mode() -> None:
    chapter("Debug mode names the culprit")

    async def careless() -> None:
        time.sleep(0.3)  # noqa: ASYNC251

    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.2  # seconds without an await that are worth a warning
    await asyncio.create_task(careless(), name="culprit")
    loop.set_debug(False)


async def main() -> None:
    await waiting()
    await computing()
    await debug_mode()


if __name__ == "__main__":
    logging.basicConfig(format="warning: %(message)s", stream=sys.stdout)
    asyncio.run(main())
