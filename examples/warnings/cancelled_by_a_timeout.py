"""Two timeouts, one in the other, and a task that was cancelled: by which?

Look at it afterwards: python -m ironloop --trace run.html THIS_FILE
"""

import asyncio
import sys


async def fetch() -> str:
    async with asyncio.timeout(30):  # for the answer
        await asyncio.sleep(60)
    return "done"


async def main(seconds: float = 0.5) -> None:
    fetching = asyncio.create_task(fetch(), name="fetcher")
    try:
        async with asyncio.timeout(0.1):  # for all of it
            print(await fetching)
    except TimeoutError:
        print("it took too long", flush=True)
    await asyncio.sleep(seconds)


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:])))
