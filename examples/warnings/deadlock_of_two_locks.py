"""Two tasks take two locks, each in its own order: each has what the other waits for, for ever.

Look at it while it waits: python -m ironloop THIS_FILE 60 & python -m ironloop tree
"""

import asyncio
import sys


async def move(name: str, first: asyncio.Lock, second: asyncio.Lock) -> None:
    async with first:
        await asyncio.sleep(0.01)
        async with second:  # always the same one first, and it cannot happen
            print(f"{name} has both")


async def main(seconds: float = 1) -> None:
    left, right = asyncio.Lock(), asyncio.Lock()
    moves = [
        asyncio.create_task(move("anna", left, right), name="anna"),
        asyncio.create_task(move("bert", right, left), name="bert"),
    ]
    _, waiting = await asyncio.wait(moves, timeout=seconds)
    print(f"after {seconds:g} s {len(waiting)} of 2 still wait")


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:])))
