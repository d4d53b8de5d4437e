"""ironloop's benchmark suite beside its peers: `python benches/run.py [--quick]`.

Each workload runs in a fresh process, the loops interleaved inside a round. Prints Markdown tables with the
medians and ratios, and writes them with the raw samples (JSON) to the output directory.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import workloads  # noqa: F401  (importing registers them)
from harness import loops, native, report, rounds
from harness.record import Run
from harness.sampler import Sampler
from harness.workload import REGISTRY

QUICK_SCALE = 0.2


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--rounds", type=int, help="default: 5, or 1 with --quick")
    add(
        "--loops",
        nargs="+",
        default=loops.PARTICIPANTS,
        metavar="LOOP",
        help=f"default: {' '.join(loops.PARTICIPANTS)}",
    )
    add("--before", type=Path, metavar="FOLDER", help="compare with the build that lies there")
    add("--only", default="", metavar="PATTERN", help="regular expression to be found in a workload's name")
    add("--quick", action="store_true", help="one round with a fifth of the operations: a smoke test")
    add("--timeout", type=float, default=60, help="seconds that one process may take (default: %(default)s)")
    add("--out", type=Path, default=Path(__file__).parent / "results", help="directory for the results")
    add("--native", type=Path, help="directory of load-client and bare-server (default: built by cargo)")
    add("--list", action="store_true", help="print the workloads' names and end")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    return options


def available(names: Iterable[str], before: Path | None) -> dict[str, str]:
    """Loop to version, of those that can be made here; the others are skipped with a note."""
    versions = {}
    for name in names:
        try:
            versions[name] = loops.version(name, before)
        except loops.LoopUnavailable as reason:
            print(f"skipping {name}: {reason}", file=sys.stderr)
    return versions


def main() -> int:
    options = parse()
    chosen = [workload for name, workload in REGISTRY.workloads.items() if re.search(options.only, name)]
    if options.list:
        print(*(workload.name for workload in chosen), sep="\n")
        return 0
    names = [*options.loops, *([loops.BEFORE] if options.before else [])]
    versions = available(names, options.before)
    if not chosen or not versions:
        print("no such workload" if versions else "no loop to measure", file=sys.stderr)
        return 2
    binaries = native.prebuilt(options.native) if options.native else native.build()
    sampler = Sampler(binaries, QUICK_SCALE if options.quick else 1.0, options.timeout, options.before)
    results = rounds.Results()
    started, done = time.monotonic(), 0
    try:
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            rounds.run_round(number, chosen, list(versions), sampler, results)
            done += 1
    except KeyboardInterrupt:
        print("interrupted: reporting what there is", file=sys.stderr)
    run = Run(versions, done, sampler.scale, time.monotonic() - started)
    tables = run.heading() + report.render(chosen, list(versions), results)
    print(tables)
    path = run.save(options.out, results, tables)
    print(f"{run.seconds / 60:.1f} minutes; raw samples in {os.path.relpath(path)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
