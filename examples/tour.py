"""A tour of concurrency in under 20 seconds: waits one by one and at once, and the same work on two loops.

`make run` runs it, as `python -m ironloop examples/tour.py`. Every number is measured while you watch.
"""

import asyncio
import platform
import sys
from contextlib import ExitStack

from tour_parts.loops import Rates, compare_loops
from tour_parts.screen import Screen
from tour_parts.tables import rates_table, waits_table
from tour_parts.waiting import TIMES, WAIT, Waits, compare_waits


async def first_half(screen: Screen, services: ExitStack) -> list[Waits]:
    loop = type(asyncio.get_running_loop())
    screen.console.print(f"Python {platform.python_version()}, on {loop.__module__}.{loop.__qualname__}")
    async with screen.chapter(f"{TIMES} waits of {WAIT} s, one by one and at once") as bars:
        return await compare_waits(bars, services)


async def second_half(screen: Screen) -> list[Rates]:
    async with screen.chapter("The same work on asyncio and on ironloop, a fresh process each time") as bars:
        return await compare_loops(bars)


def main() -> None:
    screen = Screen()
    # The servers are stopped before the loops are compared, so as not to disturb the measurements.
    with ExitStack() as services:
        waits = asyncio.run(first_half(screen, services))
    rates = asyncio.run(second_half(screen))
    screen.console.print("\n", waits_table(waits), rates_table(rates))


if __name__ == "__main__":
    try:
        import ironloop  # noqa: F401
    except ImportError as error:
        sys.exit(f"The tour compares ironloop with asyncio, and ironloop cannot be imported: {error}")
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
