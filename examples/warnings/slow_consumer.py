"""A queue without a limit, and a consumer slower than its producer: the queue grows until the memory is full.

Look at it while it runs: python -m ironloop THIS_FILE 60 & python -m ironloop top
"""

import asyncio
import sys


async def produce(queue: asyncio.Queue[int]) -> None:
    number = 0
    while True:
        await asyncio.sleep(0.005)
        number += 1
        await queue.put(number)


async def consume(queue: asyncio.Queue[int]) -> None:
    while True:
        await queue.get()
        await asyncio.sleep(0.02)


async def main(seconds: float = 1) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()  # Queue(100) would make the producer wait
    tasks = [asyncio.create_task(produce(queue)), asyncio.create_task(consume(queue))]
    await asyncio.wait(tasks, timeout=seconds)
    print(f"after {seconds:g} s {queue.qsize()} wait in the queue")


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:])))
