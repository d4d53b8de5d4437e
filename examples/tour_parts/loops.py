"""The second half of the tour: the same work on stock asyncio and on ironloop."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tour_parts.screen import Bars
from tour_parts.workloads import WORKLOADS

WORKER = Path(__file__).with_name("worker.py")
ROUNDS = 3
LOOPS = ("asyncio", "ironloop")


@dataclass(frozen=True)
class Rates:
    """How much of a workload each loop did in a second: medians of ROUNDS measurements."""

    workload: str
    asyncio: float
    ironloop: float


async def compare_loops(bars: Bars) -> list[Rates]:
    return [await compare(workload, bars) for workload in WORKLOADS]


async def compare(workload: str, bars: Bars) -> Rates:
    """Measure the loops in turn, and change who goes first from round to round."""
    bar = bars.add(workload, ROUNDS * len(LOOPS))
    measured: dict[str, list[float]] = {loop: [] for loop in LOOPS}
    for number in range(ROUNDS):
        for loop in LOOPS if number % 2 == 0 else reversed(LOOPS):
            measured[loop].append(await asyncio.to_thread(measure, loop, workload))
            bar.advance()
    rates = Rates(workload, **{loop: median(values) for loop, values in measured.items()})
    bar.done(f"{rates.ironloop / rates.asyncio:.2f}x")
    return rates


def measure(loop: str, workload: str) -> float:
    command = [sys.executable, str(WORKER), loop, workload]
    # Children of `python -m ironloop` inherit it; the worker says itself which loop.
    own = {**os.environ, "IRONLOOP": "0"}
    # A session of its own: a Ctrl-C in the terminal is for the tour, and the worker ends by itself at once.
    done = subprocess.run(
        command, env=own, stdout=subprocess.PIPE, check=True, timeout=30, start_new_session=True
    )
    return float(done.stdout)
