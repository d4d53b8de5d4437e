"""call_soon_threadsafe: how much another thread gets through, and how long it waits for an answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from harness.workload import Figure, Stopwatch, timed


def nothing() -> None:
    pass


async def in_thread(work: Callable[[], None], watch: Stopwatch) -> None:
    """Time `work` in a thread of its own, until everything is run that it has called into the loop."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def run() -> None:
        work()
        loop.call_soon_threadsafe(ended.set_result, None)

    thread = threading.Thread(target=run, daemon=True)
    with watch:
        thread.start()
        await ended
    thread.join()


@timed("call_soon_threadsafe/throughput", Figure.RATE, count=300_000)
async def throughput(count: int, watch: Stopwatch) -> None:
    loop = asyncio.get_running_loop()

    def push() -> None:
        for _ in range(count):
            loop.call_soon_threadsafe(nothing)

    await in_thread(push, watch)


@timed("call_soon_threadsafe/round-trip", Figure.TIME, count=20_000)
async def round_trip(count: int, watch: Stopwatch) -> None:
    loop = asyncio.get_running_loop()
    answer = threading.Lock()
    answer.acquire()

    def ask() -> None:
        for _ in range(count):
            loop.call_soon_threadsafe(answer.release)
            answer.acquire()

    await in_thread(ask, watch)
