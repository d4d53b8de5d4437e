"""Timers, tasks and what holds them together, cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from kinds.support import turns


async def timers(chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    handles = [loop.call_later(chance.choice([0, 0.001, 3600]), int) for _ in range(300)]
    handles += [loop.call_at(loop.time() + 3600, int) for _ in range(100)]
    chance.shuffle(handles)
    await turns(chance.randrange(3))
    for handle in handles:
        handle.cancel()
    loop.call_soon(int).cancel()


async def waits(chance: random.Random) -> None:
    async def consume(queue: asyncio.Queue[int]) -> None:
        while True:
            await queue.get()
            queue.task_done()

    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
    consumers = [asyncio.create_task(consume(queue)) for _ in range(3)]
    for number in range(20):
        await queue.put(number)
    await queue.join()
    for consumer in consumers:
        consumer.cancel()
    await asyncio.wait(consumers)
    lock, never = asyncio.Lock(), asyncio.Event()
    async with lock:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(lock.acquire(), 0.001)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await never.wait()


async def groups(chance: random.Random) -> None:
    async def fail() -> None:
        await turns(chance.randrange(3))
        raise ValueError("on purpose")

    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(asyncio.sleep(3600))
            group.create_task(fail())
    await asyncio.gather(fail(), asyncio.sleep(0), return_exceptions=True)
    shielded = asyncio.create_task(asyncio.sleep(0.001))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(shielded), 0)
    await shielded


async def generators(chance: random.Random) -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(10):
            await asyncio.sleep(0)
            yield number

    # Left in the middle: the loop's hook has it closed.
    async for number in numbers():
        if number == chance.randrange(3):
            break


async def cycle(chance: random.Random) -> None:
    await timers(chance)
    await waits(chance)
    await groups(chance)
    await generators(chance)
