"""The system calls that a process makes, counted by strace."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 10


class TraceFailed(Exception):
    """The calls could not be counted; the message says why."""


@contextlib.contextmanager
def traced(pid: int) -> Iterator[Trace]:
    """Counts what process `pid` calls inside of the block, in all of its threads; ask the trace after it.

    Raises TraceFailed if strace is not there or may not look.
    """
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as summary:
        command = ["strace", "-f", "-c", "-q", "-o", summary.name, "-p", str(pid)]
        try:
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            raise TraceFailed("there is no strace to count the calls with") from None
        try:
            _wait_until_attached(process, pid)
            trace = Trace()
            yield trace
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE)
        trace._read(summary.read())


class Trace:
    def __init__(self) -> None:
        self._total: int | None = None

    def calls(self) -> int:
        if self._total is None:
            raise TraceFailed("strace counted nothing")
        return self._total

    def _read(self, summary: str) -> None:
        """The last line: per cent, seconds, microseconds a call, calls, errors if there were any, `total`."""
        words = summary.strip().rpartition("\n")[2].split()
        if words[-1:] == ["total"]:
            self._total = int(words[3])


def _wait_until_attached(strace: subprocess.Popen[str], pid: int) -> None:
    status = Path(f"/proc/{pid}/status")
    deadline = time.monotonic() + PATIENCE
    while "TracerPid:\t0\n" in status.read_text():
        if strace.poll() is not None or time.monotonic() > deadline:
            raise TraceFailed(f"strace does not look at the process ({strace.poll()})")
        time.sleep(0.01)
