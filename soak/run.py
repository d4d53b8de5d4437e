"""Does ironloop leak? Every kind of transport, finished, failed and cancelled: `python soak/run.py`.

After cycle 50 the process's descriptors, threads, tasks, child processes and objects are counted; at the end
there must be no more of them. Memory is sampled all the time and must not grow (see trend.py). Then TLS
handshakes fail by the thousand, and memory must be flat from the first tenth on.

The exit status is 1 if anything leaks, hangs, fails, or is reported to the loop's exception handler.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import random
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import handshakes
import state
from kinds import KINDS
from progress import Progress
from trend import Trend
from watchdog import Watchdog

WARM_UP = 50
# Enough for the trend's windows, and cheap: each costs a collection.
SAMPLES = 100
SETTLES_WITHIN = 10.0

Row = tuple[str, str, str, bool]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--cycles", type=int, default=500, help=f"0, or from {2 * WARM_UP} (default: %(default)s)")
    add("--only", nargs="+", default=list(KINDS), choices=KINDS, metavar="KIND", help=" ".join(KINDS))
    add("--handshakes", type=int, default=10_000, help="that fail; 0: none (default: %(default)s)")
    add("--loop", choices=("ironloop", "asyncio"), default="ironloop")
    add("--seed", type=int, default=0, help="of what is left to chance (default: %(default)s)")
    add("--timeout", type=float, default=60, help="seconds for one cycle of one kind (default: %(default)s)")
    options = parser.parse_args()
    if 0 < options.cycles < 2 * WARM_UP:
        parser.error(f"--cycles must be 0 or at least {2 * WARM_UP}, or memory says nothing")
    return options


def loop_factory(name: str) -> Any:
    if name == "asyncio":
        return asyncio.SelectorEventLoop
    import ironloop

    return ironloop.new_event_loop


class Soak:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.watchdog = Watchdog(self.loop, options.timeout)
        self.reports: collections.Counter[str] = collections.Counter()
        self.rows: list[Row] = []
        # Without a thread: threads are counted here.
        steps = ["cycle"] * options.cycles + ["handshakes"] * bool(options.handshakes)
        self.progress = Progress("soak", steps, ticks=False, kept=f"soak {' '.join(options.only)}")
        self.loop.set_exception_handler(self._reported)
        sys.unraisablehook = self._unraisable
        # Small, so that it is full-grown before anything is counted.
        self.loop.set_default_executor(ThreadPoolExecutor(8))

    def _reported(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # As text: the context holds what may be about to go.
        self.reports[f"{context['message']}: {context.get('exception')!r}"] += 1

    def _unraisable(self, unraisable: Any) -> None:
        self.reports[f"ignored: {unraisable.exc_value!r}"] += 1

    async def settled(self, wanted: state.Counts | None = None) -> state.Counts:
        """The counts once they are no more than wanted or change no more, or enough time has gone."""
        before: state.Counts = {}
        deadline = time.monotonic() + SETTLES_WITHIN
        while True:
            self.watchdog.progress("settling")
            counts = state.counts()
            good = all(counts[what] <= wanted.get(what, 0) for what in counts) if wanted else counts == before
            if good or time.monotonic() > deadline:
                return counts
            before = counts
            await asyncio.sleep(0.1)

    async def cycles(self) -> None:
        kinds, count = {name: KINDS[name] for name in self.options.only}, self.options.cycles
        seconds = dict.fromkeys(kinds, 0.0)
        amounts: list[state.Counts] = []
        for number in range(1, count + 1):
            with self.progress.step("cycle"):
                for name, cycle in kinds.items():
                    self.watchdog.progress(f"{name} in cycle {number}")
                    started = time.monotonic()
                    # A seed for each, so that one kind alone does in its cycle what it does among the others.
                    await cycle(random.Random(f"{self.options.seed} {number} {name}"))
                    seconds[name] += time.monotonic() - started
            if number == WARM_UP:
                before = await self.settled()
            if number > WARM_UP and number % max(1, (count - WARM_UP) // SAMPLES) == 0:
                amounts.append(state.memory())
            if number % 50 == 0:
                say(f"cycle {number} of {count}")
        after = await self.settled(before)
        say("seconds: " + ", ".join(f"{name} {spent:.1f}" for name, spent in seconds.items()))
        for what in sorted({*before, *after}):
            old, new = before.get(what, 0), after.get(what, 0)
            self.rows.append((what, str(old), str(new), new <= old))
        self._judge(amounts, "")

    async def handshakes(self) -> None:
        count = self.options.handshakes
        amounts: list[state.Counts] = []
        every = max(handshakes.AT_ONCE, count // SAMPLES)

        async def progress(done: int) -> None:
            self.watchdog.progress(f"handshake {done}")
            if done % every == 0 and done >= count // 10:
                amounts.append(state.memory())

        self.watchdog.progress("handshakes")
        started = time.monotonic()
        with self.progress.step("handshakes"):
            await handshakes.fail(count, progress)
        say(f"{count} failed handshakes in {time.monotonic() - started:.1f} s")
        self._judge(amounts, f" ({count} handshakes)")

    def _judge(self, amounts: list[state.Counts], where: str) -> None:
        for what in amounts[0]:
            trend = Trend.of(what, [sample[what] for sample in amounts])
            first, last = (readable(what, trend.medians[place]) for place in (0, -1))
            self.rows.append((what + where, first, last, not trend.leaks))

    def table(self) -> bool:
        """Prints it; whether all is well."""
        reports = sum(self.reports.values())
        rows = [*self.rows, ("reported errors", "0", str(reports), reports == 0)]
        print(f"| {'what':46} | after cycle {WARM_UP:<4} | at the end       | verdict |")
        print(f"|{'-' * 48}|{'-' * 18}|{'-' * 18}|---------|")
        for what, before, after, good in rows:
            print(f"| {what:46} | {before:>16} | {after:>16} | {'ok' if good else 'LEAKS':7} |")
        for report, count in self.reports.most_common(10):
            print(f"{count} times: {report}")
        return all(good for *_, good in rows)


def readable(what: str, amount: float) -> str:
    return f"{amount:,.0f}" if "blocks" in what else f"{amount / 1024 / 1024:.2f} MiB"


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


async def main(options: argparse.Namespace) -> int:
    soak = Soak(options)
    with soak.progress:
        if options.cycles:
            await soak.cycles()
        if options.handshakes:
            await soak.handshakes()
    return 0 if soak.table() else 1


if __name__ == "__main__":
    warnings.simplefilter("error", ResourceWarning)
    arguments = parse()
    with asyncio.Runner(loop_factory=loop_factory(arguments.loop)) as runner:
        sys.exit(runner.run(main(arguments)))
