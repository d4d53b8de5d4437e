"""Work on other threads, and calls from them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import time

from kinds.support import cut_short

# More than any of the pools has threads, so that each is full-grown from the first cycle on.
BURST = 40


async def executor(chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(asyncio.to_thread(int) for _ in range(BURST)))
    await cut_short(asyncio.to_thread(time.sleep, 0.002), chance)
    assert await loop.run_in_executor(None, len, "word") == 4
    with contextlib.suppress(ZeroDivisionError):
        await asyncio.to_thread(divmod, 1, 0)


async def lookups(chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.getaddrinfo("localhost", 80) for _ in range(BURST)))
    with contextlib.suppress(socket.gaierror):
        await loop.getaddrinfo("no such name", 80)
    await loop.getnameinfo(("127.0.0.1", 80))
    await cut_short(loop.getaddrinfo("localhost", "http"), chance)


async def calls(chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    each, count = 100, 3
    left, done = each * count, asyncio.Event()

    def called() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    def call() -> None:
        for _ in range(each):
            loop.call_soon_threadsafe(called)
            loop.call_soon_threadsafe(called).cancel()

    # A cancelled call may have run already: what runs besides does no harm.
    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    await done.wait()
    await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))


async def coroutines(chance: random.Random) -> None:
    loop = asyncio.get_running_loop()

    def wait() -> int:
        return asyncio.run_coroutine_threadsafe(asyncio.sleep(0, 5), loop).result(60)

    def give_up() -> None:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(3600), loop).cancel()

    assert await asyncio.to_thread(wait) == 5
    await asyncio.to_thread(give_up)


async def cycle(chance: random.Random) -> None:
    await asyncio.gather(executor(chance), lookups(chance), calls(chance), coroutines(chance))
