"""A task that computes and never awaits: it has one long step, and nobody else has any.

Look at it while it runs: python -m ironloop THIS_FILE 60 & python -m ironloop tree
"""

import asyncio
import sys
import time


async def count(seconds: float) -> int:
    number, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        number += 1  # now and then `await asyncio.sleep(0)`, or all of it in asyncio.to_thread
    return number


async def main(seconds: float = 0.5) -> None:
    counter = asyncio.create_task(count(seconds), name="counter")
    begun = time.monotonic()
    await asyncio.sleep(0.01)
    print(f"a sleep of 0.01 s has taken {time.monotonic() - begun:.2f} s; it counted to {await counter:,}")


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:])))
