"""Runs the test suites of libraries on ironloop: no test may fail there that passes on stock asyncio.

    make compat ARGS="--only httpx anyio --native both --reference"

With --native on, tasks, futures, queues, locks… are ironloop's, behind asyncio's names; with off, only the
loop is. Each suite runs on ironloop; what does not pass is run on stock asyncio, too (--reference:
everything is). What passes on asyncio alone is run again on both, one test at a time: the machine may have
been busy. What then still passes on asyncio alone fails the run. Reports and output stay in
`.venv/compat/<series>/logs`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import suites
from clusters import programs
from environments import HOME
from library_environments import LibraryEnvironment, environment_in
from progress import Progress
from sessions import Outcome, Runner
from sources import Unavailable, tests_of
from suites import FOLDER, Suite

LOOPS = ("asyncio", "ironloop")


@dataclass
class Verdict:
    """A suite's line in the table, and why it failed (nothing: it did not)."""

    suite: Suite
    native: str
    passed: dict[str, int]
    differences: list[str]
    seconds: float
    faults: list[str]
    skipped: str = ""


def judge(runner: Runner, native: str, jobs: int, loops: Sequence[str], reference: bool) -> Verdict:
    """Run a suite, on both loops as far as needed, and compare."""
    suite = runner.suite
    workers = min(jobs, suite.workers or jobs)
    started = time.monotonic()
    outcomes: dict[str, Outcome] = {}
    for loop in loops:
        if loop == "ironloop" or reference or len(loops) == 1:
            outcomes[loop] = runner.run(loop, "all", workers)
            say(f"{suite.name} on {loop}: {outcomes[loop].count()}, {outcomes[loop].seconds:.0f} s")
    faults = [fault for loop, outcome in outcomes.items() for fault in faults_of(suite, loop, outcome)]
    if len(loops) == 1:
        differences = sorted(test for test, what in outcomes[loops[0]].tests.items() if what == "failed")
    else:
        # Where nothing ran there is nothing to compare, only a fault.
        differences = compare(runner, workers, outcomes, faults) if outcomes["ironloop"].passed() else []
    passed = {loop: len(outcome.passed()) for loop, outcome in outcomes.items()}
    return Verdict(suite, native, passed, differences, time.monotonic() - started, faults)


def faults_of(suite: Suite, loop: str, outcome: Outcome) -> list[str]:
    """What makes a session worthless, whatever its tests say."""
    faults = []
    if outcome.broken:
        faults.append(f"on {loop}: pytest ended with {outcome.broken}")
    if len(outcome.passed()) < suite.at_least:
        faults.append(f"on {loop}: {len(outcome.passed())} tests passed, {suite.at_least} are the least")
    strangers = [test for test, kinds in outcome.loops.items() if kinds - {loop}]
    at_home = sum(loop in kinds for kinds in outcome.loops.values())
    say(f"{suite.name}: {at_home} tests ran on {loop}, {len(strangers)} on another loop")
    if strangers or not at_home:
        faults.append(f"on {loop}: {at_home} tests ran on it, {len(strangers)} on another: {strangers[:5]}")
    return faults


def compare(runner: Runner, workers: int, outcomes: dict[str, Outcome], faults: list[str]) -> list[str]:
    """The tests that pass on asyncio and not on ironloop, also when repeated. Adds to `faults`."""
    suite, ironloop = runner.suite, outcomes["ironloop"]

    def repeat(loop: str, name: str, workers: int = 1) -> Outcome:
        outcome = runner.run(loop, name, workers, suspects)
        silent = suspects - outcome.tests.keys()
        if outcome.broken or silent:
            why = outcome.broken or f"no result of {sorted(silent)}"
            faults.append(f"on {loop}, repeating {len(suspects)} tests: {why}")
        return outcome

    suspects = set(ironloop.tests) - ironloop.passed()
    if "asyncio" in outcomes:
        suspects = outcomes["asyncio"].passed() - ironloop.passed()
    elif suspects:
        reference = repeat("asyncio", "suspects", workers)
        say(f"{suite.name}: of {len(suspects)} that did not pass, asyncio: {reference.count()}")
        suspects &= reference.passed()
    if not suspects:
        return []
    again = {loop: repeat(loop, "again") for loop in LOOPS}
    differences = suspects & again["asyncio"].passed() - again["ironloop"].passed()
    say(f"{suite.name}: {len(suspects)} passed on asyncio alone, and {len(differences)} again when repeated")
    for test in sorted(suspects):
        text = again["ironloop"].texts.get(test) or ironloop.texts.get(test, "")
        say(f"  {'differs' if test in differences else 'unsteady'}: {test}: {last_line(text)}")
    return sorted(differences)


def last_line(text: str) -> str:
    """What pytest says of the error, in one line."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line[1:].strip() for line in lines if line.startswith("E  ")]
    return (errors or lines or ["did not run, or was skipped"])[-1][:200]


def table(verdicts: list[Verdict]) -> str:
    rows: list[tuple[str, ...]] = [("suite", "version", "native", *LOOPS, "differ", "seconds", "")]
    for verdict in verdicts:
        passed = [str(verdict.passed.get(loop, "-")) for loop in LOOPS]
        end = "FAILED" if verdict.faults or verdict.differences else verdict.skipped
        numbers = (str(len(verdict.differences)), f"{verdict.seconds:.0f}")
        rows.append((verdict.suite.name, verdict.suite.version, verdict.native, *passed, *numbers, end))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


class Output:
    """Where `say` says it: above the line that tells the progress, as long as there is one."""

    progress: Progress | None = None


OUTPUT = Output()


def say(text: str) -> None:
    line = f"[{time.strftime('%H:%M:%S')}] {text}"
    OUTPUT.progress.print(line, file=sys.stdout) if OUTPUT.progress else print(line, flush=True)


def arguments(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="SUITE", help=" ".join(names)
    )
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=LOOPS, help="one: nothing is compared")
    parser.add_argument(
        "--native", choices=("on", "off", "both"), default="on", help="the vocabulary on ironloop"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes for one suite")
    parser.add_argument("--reference", action="store_true", help="all tests on stock asyncio, too")
    return parser.parse_args()


def environment_for(suite: Suite) -> LibraryEnvironment:
    """`.venv/compat/<series>/<suite>`, up to date."""
    environment = environment_in(HOME / "compat" / "{}.{}".format(*sys.version_info) / suite.name)
    environment.prepare_with([FOLDER / "requirements" / "common.txt", suite.requirements], suite.requirement)
    return environment


def run_suite(suite: Suite, native: str, options: argparse.Namespace) -> Verdict:
    try:
        tests = tests_of(suite)
    except Unavailable as error:
        return Verdict(suite, native, {}, [], 0, [], skipped=f"skipped: {error}")
    environment = environment_for(suite)
    logs = environment.folder.parent / "logs" / f"native-{native}"
    logs.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        # What blocks their loops, as tests do, is not said between their lines.
        own = {"IRONLOOP_BLOCKED": "off", "IRONLOOP_NATIVE": "1" if native == "on" else "0"}
        variables = {**environment.variables(), **own}
        if suite.postgres:
            variables |= stack.enter_context(programs())
        runner = Runner(suite, tests, environment.executable, variables, logs)
        return judge(runner, native, options.jobs, options.loops, options.reference)


def main() -> int:
    known = suites.load()
    options = arguments(list(known))
    chosen = [suite for name, suite in known.items() if name in options.only]
    natives = ("on", "off") if options.native == "both" else (options.native,)
    verdicts = []
    with Progress("compat", [suite.name for suite in chosen for _ in natives]) as progress:
        OUTPUT.progress = progress
        for suite in chosen:
            for native in natives:
                with progress.step(suite.name):
                    verdicts.append(run_suite(suite, native, options))
    OUTPUT.progress = None
    print()
    for verdict in verdicts:
        for text in [*verdict.faults, *verdict.differences]:
            print(f"{verdict.suite.name}, native {verdict.native}: {text}")
    print(table(verdicts))
    return int(any(verdict.faults or verdict.differences for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
