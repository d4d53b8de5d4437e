"""ironloop's benchmark suite beside its peers: `python benches/run.py [--quick]`.

Each workload runs in a fresh process, the loops interleaved inside a round. Prints Markdown tables with the
medians and ratios, and writes them with plots and the raw samples (JSON) to the output directory. With
`--publish` it measures nothing, and puts such results into the pages.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import workloads  # noqa: F401  (importing registers them)
from harness import loops, native, page, plots, publish, record, report, rounds
from harness.record import Run
from harness.sampler import Sampler
from harness.workload import REGISTRY, Workload
from progress import Progress

QUICK_SCALE = 0.2

ARGUMENTS = "BENCH_ARGS"
"""The variable by which `make bench` hands over its ARGS: no shell has read them."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--rounds", type=int, help="default: 5, or 1 with --quick")
    add(
        "--loops",
        nargs="+",
        default=loops.PARTICIPANTS,
        metavar="LOOP",
        help=f"default: {' '.join(loops.PARTICIPANTS)}; besides: {' '.join(loops.FURTHER)}",
    )
    add("--before", type=Path, metavar="FOLDER", help="compare with the build that lies there")
    add("--only", default="", metavar="PATTERN", help="regular expression to be found in a workload's name")
    add("--rows", type=Path, metavar="FILE", help="only the workloads that the file names, one a line")
    add("--quick", action="store_true", help="one round with a fifth of the operations: a smoke test")
    add("--timeout", type=float, default=60, help="seconds that one process may take (default: %(default)s)")
    add("--out", type=Path, default=Path(__file__).parent / "results", help="directory for the results")
    add("--native", type=Path, help="directory of load-client and bare-server (default: built by cargo)")
    add("--list", action="store_true", help="print the workloads' names, and how long they take, and end")
    add(
        "--publish",
        nargs="+",
        type=Path,
        metavar="RESULTS",
        help="put results (JSON; the last that has a workload counts for it) into README and docs, and end",
    )
    options = parser.parse_args([*sys.argv[1:], *shlex.split(os.environ.get(ARGUMENTS, ""))])
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


def choose(pattern: str, file: Path | None) -> list[Workload]:
    """The workloads that a pattern and a file of names leave; an unknown name ends the program."""
    chosen = [workload for name, workload in REGISTRY.workloads.items() if re.search(pattern, name)]
    if file is None:
        return chosen
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    wanted = [line for line in lines if line]
    if unknown := [name for name in wanted if name not in REGISTRY.workloads]:
        raise SystemExit(f"{file}: no workload is called {', '.join(unknown)}")
    return [workload for workload in chosen if workload.name in wanted]


def tell_estimate(
    chosen: Sequence[Workload], names: Sequence[str], left: int, *known: rounds.Results
) -> None:
    samples, seconds = rounds.estimate(chosen, names, *known)
    told = f"{left} x {samples} samples of {len(chosen)} workloads: about {left * seconds / 60:.0f} minutes"
    print(
        f"{told}, until {time.strftime('%H:%M', time.localtime(time.time() + left * seconds))}",
        file=sys.stderr,
    )


def measure(
    options: argparse.Namespace, chosen: Sequence[Workload], versions: dict[str, str]
) -> tuple[Run, rounds.Results]:
    """Run the rounds; if one is interrupted, what there is."""
    binaries = native.prebuilt(options.native) if options.native else native.build()
    for prepare in {getattr(workload, "prepare", None) for workload in chosen} - {None}:
        prepare()
    if any(workload.body.__module__ == "workloads.door" for workload in chosen):
        native.build_door()
    scale = QUICK_SCALE if options.quick else 1.0
    sampler = Sampler(binaries, scale, options.timeout, options.before)
    results, earlier = rounds.Results(), record.latest(options.out, scale)
    started, done = time.monotonic(), 0
    steps = rounds.steps(chosen, list(versions)) * options.rounds
    try:
        with Progress("bench", steps, kept="bench quick" if options.quick else "bench") as progress:
            for number in range(options.rounds):
                tell_estimate(chosen, list(versions), options.rounds - number, earlier, results)
                print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
                rounds.run_round(number, chosen, list(versions), sampler, results, progress)
                done += 1
    except KeyboardInterrupt:
        print("interrupted: reporting what there is", file=sys.stderr)
    return Run.here(versions, done, scale, time.monotonic() - started), results


def main() -> int:
    options = parse()
    if options.publish:
        print("written:", *(os.path.relpath(path) for path in publish.publish(options.publish)))
        return 0
    chosen = choose(options.only, options.rows)
    if options.list:
        print(*(workload.name for workload in chosen), sep="\n")
        known = record.latest(options.out, QUICK_SCALE if options.quick else 1.0)
        tell_estimate(chosen, options.loops, options.rounds, known)
        return 0
    names = [*options.loops, *([loops.BEFORE] if options.before else [])]
    versions = available(names, options.before)
    if not chosen or not versions:
        print("no such workload" if versions else "no loop to measure", file=sys.stderr)
        return 2
    run, results = measure(options, chosen, versions)
    tables = list(report.tables(chosen, list(versions), results, run.openssl))
    text = run.heading() + "\n" + report.render(tables, results)
    print(text)
    path = run.save(options.out, results, text)
    drawn = list(plots.plots(tables))
    try:
        plots.draw(drawn, path.with_suffix(""))
    except ImportError as reason:
        print(f"no plots: {reason}", file=sys.stderr)
    opened = page.write(path.with_suffix(""), run.heading(), tables, drawn, results)
    kept = os.path.relpath(path.with_suffix(""))
    print(
        f"{run.seconds / 60:.1f} minutes; raw samples, tables and plots: {kept}[.json, .md, /]",
        file=sys.stderr,
    )
    print(f"to look at: {opened.resolve().as_uri()}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
