"""A task fails, and nobody asks for its result: asyncio says so only when the task is thrown away.

Look at it afterwards: python -m ironloop THIS_FILE 60 & python -m ironloop tree
"""

import asyncio
import sys


async def save() -> None:
    raise OSError("no space left")


async def main(seconds: float = 1) -> None:
    asyncio.create_task(save(), name="saver")  # noqa: RUF006  keep it, and await it; or use a TaskGroup
    await asyncio.sleep(0.01)
    print("saved, or so it seems", flush=True)
    await asyncio.sleep(seconds)


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:])))
