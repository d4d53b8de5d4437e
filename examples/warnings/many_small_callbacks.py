"""Each callback is short, but thousands of them are ready at once: the next turn has to wait for them all.

On ironloop standard error says how many, and which is running: python -m ironloop THIS_FILE
"""

import asyncio
import time


def update(row: int) -> int:
    """A fifth of a millisecond of work."""
    until = time.perf_counter() + 0.0002
    while time.perf_counter() < until:
        row += 1
    return row


async def main() -> None:
    loop = asyncio.get_running_loop()
    for row in range(5000):
        loop.call_soon(update, row)
    begun = time.perf_counter()
    await asyncio.sleep(0)  # comes back when all of them are done
    print(f"5000 callbacks later: {time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    asyncio.run(main())
