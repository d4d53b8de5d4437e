"""Runs pytest once over a suite, on one loop, and reads what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suites import FOLDER, Suite

TEST_TIMEOUT = 60
# Ends the worker, where no signal handler runs; pytest-xdist names the test and goes on with another worker.
HARD_TEST_TIMEOUT = 90
SETTLE = 10.0

PLUGIN = FOLDER / "plugin"

_WORSE = {"passed": 0, "skipped": 1, "failed": 2}


@dataclass
class Outcome:
    """What a session showed: for each test `passed`, `skipped` or `failed`, and on which loops tests ran."""

    tests: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    loops: dict[str, set[str]] = field(default_factory=dict)
    seconds: float = 0.0
    broken: str | None = None

    def passed(self) -> set[str]:
        return {test for test, outcome in self.tests.items() if outcome == "passed"}

    def count(self) -> str:
        counts = Counter(self.tests.values())
        return ", ".join(f"{counts[outcome]} {outcome}" for outcome in _WORSE)


class Runner:
    """Runs sessions of one suite with one environment's Python.

    Arguments: `variables` are the environment of the processes, `logs` is where reports and output are left.
    """

    def __init__(
        self, suite: Suite, tests: Path, python: Path, variables: dict[str, str], logs: Path
    ) -> None:
        self.suite = suite
        self.tests = tests
        self.python = python
        self.variables = variables
        self.logs = logs

    def run(self, loop: str, name: str, workers: int, only: Collection[str] | None = None) -> Outcome:
        """Run all tests, or `only` those. `name` tells this session's files from the other sessions'."""
        stem = self.logs / f"{self.suite.name}-{name}-{loop}"
        report, output = stem.with_suffix(".jsonl"), stem.with_suffix(".log")
        report.unlink(missing_ok=True)
        plan = {
            "loop": loop,
            "report": str(report),
            "deselect": self.suite.deselected(),
            "async_only": self.suite.async_only,
            "only": None if only is None else sorted(only),
        }
        started = time.monotonic()
        with _scratch() as scratch:
            (scratch / "plan.json").write_text(json.dumps(plan))
            status = self._pytest(self._command(workers, only), scratch, output)
        outcome = _read(report)
        outcome.seconds = time.monotonic() - started
        if status not in (0, 1):
            outcome.broken = f"{status} (see {output})"
        return outcome

    def _command(self, workers: int, only: Collection[str] | None) -> list[str | Path]:
        settings = {
            "addopts": "",
            "timeout": TEST_TIMEOUT,
            "timeout_method": "signal",
            "faulthandler_timeout": HARD_TEST_TIMEOUT,
            "faulthandler_exit_on_timeout": "true",
        }
        # Named, as otherwise pytest may go up and find ours; its folder is what tests' ids are relative to.
        config = next(name for name in ("pytest.ini", "pyproject.toml") if (self.tests / name).exists())
        command: list[str | Path] = [self.python, "-m", "pytest", "-c", config, "-q", "-ra"]
        command += ["-p", "no:cacheprovider", "-p", "loop_plugin"]
        command += [f"-o{key}={value}" for key, value in settings.items()]
        command += ["-n", str(workers), "--max-worker-restart=100", *self.suite.options]
        if only is None:
            return [*command, *self.suite.tests]
        return [*command, *sorted({test.partition("::")[0] for test in only})]

    def _pytest(self, command: list[str | Path], scratch: Path, output: Path) -> int | str:
        """The exit status, or what kept it from having one."""
        path = os.pathsep.join(filter(None, [str(PLUGIN), self.variables.get("PYTHONPATH")]))
        own = {"COMPAT_PLAN": str(scratch / "plan.json"), "PYTHONPATH": path, "TMPDIR": str(scratch)}
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=self.tests,
                env={**self.variables, **own, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return process.wait(self.suite.timeout)
            except subprocess.TimeoutExpired:
                return f"no end within {self.suite.timeout:.0f} s"
            finally:
                _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends what a session has left running, itself included. SIGINT is PostgreSQL's "fast shutdown"."""
    deadline = time.monotonic() + SETTLE
    with contextlib.suppress(ProcessLookupError):  # nothing is left of the group
        os.killpg(process.pid, signal.SIGINT)
        while True:
            process.poll()
            os.killpg(process.pid, 0)
            if time.monotonic() > deadline:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.05)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A directory for temporary files, open to all as /tmp is: PostgreSQL runs as another account."""
    folder = Path(tempfile.mkdtemp(prefix="compat-"))
    folder.chmod(0o1777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(report: Path) -> Outcome:
    """Of a test's reports (setup, call, teardown, subtests) the worst counts."""
    outcome = Outcome()
    entries: list[dict[str, Any]] = []
    if report.exists():
        entries = [json.loads(line) for line in report.read_text().splitlines() if line.endswith("}")]
    for entry in entries:
        test = entry["test"]
        outcome.tests[test] = max(outcome.tests.get(test, "passed"), entry["outcome"], key=_WORSE.__getitem__)
        outcome.loops.setdefault(test, set()).update(entry["loops"])
        if entry["outcome"] == "failed":
            outcome.texts.setdefault(test, entry["text"])
    return outcome
