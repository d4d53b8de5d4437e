"""The tests on debug builds of CPython, `make debug-builds`, and references counted there, `make refleaks`.

    tools/debug_builds.py [--series 3.13d]... [--references] [FILE...] [-- PYTEST ARGUMENTS...]

The interpreter's own assertions are on there, those of the native code too, and Python's development mode.
Each test file has a process of its own, so that one that ends in an assertion leaves the others. With
``--references`` a file's tests run again and again in it, and the interpreter's count of references must come
to rest. Without such a build (Debian's ``python3.13-dbg``) there is nothing to run. Standard library only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from environments import Environment
from progress import Progress
from pythons import Python, find_debug_builds, find_pythons

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
REQUIREMENTS = [ROOT / "examples" / "requirements.txt", TESTS / "requirements.txt"]
# A thousand times what the other tests do; they say nothing more on these builds.
LONG = "not million and not ten_thousand"
# Libraries' own C code is built for other interpreters: these do without.
PURE = {f"{name}_NO_EXTENSIONS": "1" for name in ("AIOHTTP", "FROZENLIST", "MULTIDICT", "PROPCACHE", "YARL")}
# Nothing is counted of programs in other processes, nor of libraries that were not built to count.
NOT_COUNTED = (
    "test_command_line.py",
    "test_doors_programs.py",
    "test_examples.py",
    "test_front_doors.py",
    "test_guide.py",
    "test_interpreters.py",
    "test_libraries.py",
    "test_tools.py",
)
NO_TESTS = 5


def run_file(python: Python, file: Path, more: list[str], variables: dict[str, str]) -> tuple[bool, str]:
    """Run one on one build; whether it passed, and what there is to say."""
    pytest = [
        "python",
        "-X",
        "dev",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        LONG,
        *more,
        str(file),
    ]
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "quick.py", python.series, *pytest],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    passed = done.returncode in (0, NO_TESTS)
    outcome = "passed" if passed else f"FAILED (exit status {done.returncode})"
    said = f"Python {python.series}: {file.name} {outcome} in {time.monotonic() - start:.0f} s"
    return passed, said if passed else f"{said}\n{done.stdout}"


def main() -> int:
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    own, more = sys.argv[1:cut], sys.argv[cut + 1 :]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", action="append", help="this build (3.13d) and not all that are found")
    parser.add_argument("--references", action="store_true", help="count references over repeated runs")
    parser.add_argument("files", nargs="*", type=Path, help="test files; by default all")
    options = parser.parse_args(own)
    builds = find_debug_builds()
    if not builds:
        print("skipped: no debug build of Python (such as Debian's python3.13-dbg) is on this machine")
        return 0
    wanted = options.series or list(builds)
    if missing := [series for series in wanted if series not in builds]:
        raise SystemExit(f"no Python {', '.join(missing)} found")
    files = options.files or sorted(TESTS.glob("test_*.py"))
    if options.references and not options.files:
        files = [file for file in files if file.name not in NOT_COUNTED]
    plugin = ["-p", "references"] if options.references else []
    # asyncio's own references are for others to count.
    variables = {**PURE, "IRONLOOP_TEST_LOOPS": "ironloop"} if options.references else PURE
    summary = []
    for series in wanted:
        Environment(builds[series], list(find_pythons().values())).prepare(REQUIREMENTS, bare=True)
        kept = f"{'refleaks' if options.references else 'debug-builds'} {series}"
        with Progress(kept, [file.name for file in files], kept=kept) as progress:
            failed = []
            for file in files:
                with progress.step(file.name):
                    passed, said = run_file(builds[series], file, [*plugin, *more], variables)
                progress.print(said, file=sys.stdout)
                if not passed:
                    failed.append(file.name)
        summary.append((series, f"{', '.join(failed)} failed" if failed else f"{len(files)} files passed"))
    print()
    for series, text in summary:
        print(f"Python {series}: {text}")
    return int(any(text.endswith("failed") for _, text in summary))


if __name__ == "__main__":
    sys.exit(main())
