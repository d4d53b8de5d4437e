"""CPython's own asyncio suite on ironloop: `make conformance`.

    python conformance/run.py [--only test_events …] [--test NAME …] [--native on|off|both] …

With --native on, tasks, futures, queues, locks… are ironloop's wherever the suite uses asyncio's names;
with off, only the loop is.

Takes `test.test_asyncio` of the Python that runs this. Each test has a time limit, each module a process
of its own: a test that hangs or kills the process is a failure, and the rest of its module runs on in a
new one. What no loop outside CPython can pass stands in left-out.toml with its reason; such a test that
passes fails the run, and so does a name in that file that the suite does not have. A test that fails
runs once more, alone, and then on asyncio: what fails there too is the machine's doing.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import queue
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from left_out import LeftOut
from module_run import ModuleRun, Outcome
from progress import Progress

HERE = Path(__file__).parent
# The slow ones first, so that two jobs end together.
SLOW = ("test_ssl", "test_events", "test_subprocess", "test_sendfile", "test_unix_events", "test_tasks")


def modules(left_out: LeftOut) -> list[str]:
    package = importlib.util.find_spec("test.test_asyncio")
    if package is None or not package.submodule_search_locations:
        raise SystemExit(f"{sys.executable} was installed without its test suite")
    found = {path.stem for path in Path(package.submodule_search_locations[0]).glob("test_*.py")}
    found -= left_out.modules
    return [name for name in SLOW if name in found] + sorted(found.difference(SLOW))


@dataclass(frozen=True)
class Subject:
    """What the suite runs on."""

    loop: str
    native: bool

    def __str__(self) -> str:
        if self.loop == "asyncio":
            return self.loop
        return f"{self.loop}, native vocabulary {'on' if self.native else 'off'}"


ASYNCIO = Subject("asyncio", native=False)


def run_modules(
    chosen: list[str], subject: Subject, tests: list[str], jobs: int, progress: Progress | None = None
) -> list[Outcome]:
    """Each module in a process of its own; of one that has its place in the progress the time is told."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for module in chosen:
        waiting.put(module)
    outcomes: list[Outcome] = []

    def work() -> None:
        while True:
            try:
                module = waiting.get_nowait()
            except queue.Empty:
                return
            began = time.monotonic()
            wanted = [test for test in tests if test.split(".")[0] == module]
            with progress.step(module) if progress else contextlib.nullcontext():
                ended = ModuleRun(module, subject.loop, subject.native, wanted).run()
            outcomes.extend(ended)
            counts = Counter(outcome.kind for outcome in ended)
            told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
            line = f"  {module:<28} {told} in {time.monotonic() - began:.0f} s"
            progress.print(line, file=sys.stdout) if progress else print(line, flush=True)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="MODULE", help="test_events …")
    parser.add_argument("--test", nargs="+", default=[], metavar="NAME", help="test_events.Class.test_name …")
    parser.add_argument("--loop", choices=("ironloop", "asyncio"), default="ironloop")
    parser.add_argument("--native", choices=("on", "off", "both"), default="on")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    subjects = [
        Subject("ironloop", native)
        for native in {"on": [True], "off": [False], "both": [True, False]}[options.native]
    ]
    if options.loop == "asyncio":
        subjects = [ASYNCIO]
    verdicts = [hold(subject, options) for subject in subjects]
    version = ".".join(str(part) for part in sys.version_info[:3])
    print(
        f"Python {version} on "
        + "; ".join(f"{subject}: {said}" for subject, (said, _) in zip(subjects, verdicts, strict=True))
    )
    return int(any(wrong for _, wrong in verdicts))


def hold(subject: Subject, options: argparse.Namespace) -> tuple[str, bool]:
    """The suite on one subject; what it comes to, and whether that is wrong."""
    left_out = LeftOut.read(HERE / "left-out.toml", sys.version_info[:2], subject.native)
    available = modules(left_out)
    chosen = options.only or [
        name for name in available if not options.test or any(t.split(".")[0] == name for t in options.test)
    ]
    if unknown := set(chosen).difference(available):
        raise SystemExit("no such module: " + ", ".join(sorted(unknown)))
    print(f"test_asyncio on {subject}")
    kept = f"conformance {'.'.join(map(str, sys.version_info[:2]))} {subject}"
    with Progress("conformance", chosen, at_once=options.jobs, kept=kept) as progress:
        outcomes = run_modules(chosen, subject, options.test, options.jobs, progress)
    outcomes, unsteady, elsewhere = run_again(outcomes, subject, left_out)
    result = Report(outcomes, left_out.tests, elsewhere)
    result.tell_failures()
    for name in unsteady:
        print(f"PASSED THE SECOND TIME: {name}")
    for name in elsewhere:
        print(f"FAILS ON ASYNCIO HERE AS WELL: {name}")
    if subject is ASYNCIO:
        return str(result), bool(result.bad)
    stale = [f"LEFT OUT, AND PASSES: {outcome.name}" for outcome in result.out if outcome.kind == "passed"]
    if not options.only and not options.test:
        gone = left_out.tests - left_out.backported - {outcome.name for outcome in outcomes}
        stale += [f"LEFT OUT, AND NOT IN THE SUITE: {name}" for name in sorted(gone)]
    print("\n".join(stale), end="\n" if stale else "")
    return str(result), bool(result.bad or stale or not result.on_loop)


def run_again(
    outcomes: list[Outcome], subject: Subject, left_out: LeftOut
) -> tuple[list[Outcome], list[str], list[str]]:
    """What failed, once more and alone; then on asyncio, as a machine can make a test fail by itself."""
    names = [outcome.name for outcome in outcomes if outcome.bad and outcome.name not in left_out.tests]
    if not names:
        return outcomes, [], []
    print(f"again, alone: {len(names)}")
    second = {outcome.name: outcome for outcome in run_modules(_modules_of(names), subject, names, 1)}
    unsteady = [name for name in names if name in second and not second[name].bad]
    outcomes = [second.get(outcome.name, outcome) for outcome in outcomes]
    names = [name for name in names if name not in unsteady]
    if not names or subject is ASYNCIO:
        return outcomes, unsteady, []
    print(f"on asyncio: {len(names)}")
    third = run_modules(_modules_of(names), ASYNCIO, names, 1)
    return outcomes, unsteady, [outcome.name for outcome in third if outcome.bad and outcome.name in names]


def _modules_of(names: list[str]) -> list[str]:
    return list(dict.fromkeys(name.split(".")[0].split(":")[0] for name in names))


class Report:
    """What all outcomes come to."""

    def __init__(self, outcomes: list[Outcome], left_out: frozenset[str], elsewhere: list[str]) -> None:
        counted = [outcome for outcome in outcomes if outcome.name not in left_out]
        self.out = [outcome for outcome in outcomes if outcome.name in left_out]
        self.bad = [outcome for outcome in counted if outcome.bad and outcome.name not in elsewhere]
        self.hung = [outcome for outcome in self.bad if outcome.kind == "hung"]
        self.passed = [outcome for outcome in counted if outcome.kind == "passed"]
        self.skipped = [outcome for outcome in counted if outcome.kind == "skipped"]
        self.on_loop = sum(outcome.on_loop for outcome in self.passed)

    def tell_failures(self) -> None:
        for outcome in self.bad:
            print(f"\n{outcome.kind.upper()}: {outcome.name}\n{outcome.text}")

    def __str__(self) -> str:
        return (
            f"{len(self.bad)} failed ({len(self.hung)} hung), {len(self.passed)} passed ({self.on_loop} with "
            f"a loop of ironloop's), {len(self.skipped)} skipped, {len(self.out)} left out"
        )


if __name__ == "__main__":
    sys.exit(main())
