"""Measures one workload on one loop: `python worker.py LOOP WORKLOAD` prints how much it did in a second."""

import asyncio
import sys
from contextlib import aclosing
from time import perf_counter

from workloads import WORKLOADS

SECONDS = 0.15


async def rate(workload: str) -> float:
    """How much of the workload is done in a second, measured over SECONDS."""
    async with aclosing(WORKLOADS[workload]()) as batches:
        await anext(batches)  # the first batch warms up
        done = 0
        began = perf_counter()
        while (took := perf_counter() - began) < SECONDS:
            done += await anext(batches)
    return done / took


def main(loop: str, workload: str) -> None:
    if loop == "ironloop":
        import ironloop

        new_event_loop = ironloop.new_event_loop
    else:
        new_event_loop = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        made = type(runner.get_loop()).__module__.partition(".")[0]
        if made != loop:
            sys.exit(f"this would measure {made}, not {loop}")
        print(runner.run(rate(workload)))


if __name__ == "__main__":
    main(*sys.argv[1:])
