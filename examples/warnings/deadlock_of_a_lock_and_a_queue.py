"""The consumer waits for a dish with the kitchen's lock in its hand; the cook needs that lock to make one.

Look at it while it waits: python -m ironloop THIS_FILE 60 & python -m ironloop tree
"""

import asyncio
import sys


async def cook(kitchen: asyncio.Lock, dishes: asyncio.Queue[str]) -> None:
    for dish in ("soup", "fish", "olives"):
        async with kitchen:
            await dishes.put(dish)
        await asyncio.sleep(0.01)


async def eat(kitchen: asyncio.Lock, dishes: asyncio.Queue[str]) -> None:
    print(f"at first {await dishes.get()}")
    async with kitchen:
        print(await dishes.get())  # get() first, and the lock only for what needs it


async def main(seconds: float = 1) -> None:
    kitchen, dishes = asyncio.Lock(), asyncio.Queue[str]()
    tasks = [
        asyncio.create_task(cook(kitchen, dishes), name="cook"),
        asyncio.create_task(eat(kitchen, dishes), name="eater"),
    ]
    _, waiting = await asyncio.wait(tasks, timeout=seconds)
    print(f"after {seconds:g} s {len(waiting)} of 2 still wait")


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:])))
