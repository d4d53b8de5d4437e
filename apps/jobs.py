"""A worker of docs/deploy/workers.md, and the program that gives it jobs."""

from __future__ import annotations

import signal
from pathlib import Path

from pages import Page
from servers import run, started


def work(page: Page, command: str, program: str, ready: str, folder: Path) -> None:
    """The worker does what the program asks it, on ironloop, and ends by SIGTERM."""
    with started(page, command, folder / "worker") as worker:
        worker.says(ready)
        output = run(page, f"python {program}", folder / "program")
        jobs = [line.split() for line in output.splitlines()]
        assert [(loop, result) for loop, _, result in jobs] == [
            ("ironloop.Loop", str(number * number)) for number in range(5)
        ]
        worker.stop(signal.SIGTERM)
