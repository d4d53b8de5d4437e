"""A coroutine calls `time.sleep`: it does not await, so nobody else gets a turn until it returns.

On ironloop standard error names the task and the line while it sleeps: python -m ironloop THIS_FILE
"""

import asyncio
import time


def fetch(address: str) -> str:
    """A library that knows nothing of async."""
    time.sleep(1)
    return f"what is at {address}"


async def crawl(address: str) -> None:
    print(fetch(address))  # await asyncio.to_thread(fetch, address) would let the others live


async def main() -> None:
    await asyncio.create_task(crawl("/menu"), name="crawler")


if __name__ == "__main__":
    asyncio.run(main())
