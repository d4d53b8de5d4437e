"""How far a long command is, and how long it still takes: a line that stays on a terminal, else plain lines.

    with Progress("conformance", ["test_ssl", "test_tasks"], at_once=2) as progress:
        with progress.step("test_ssl"):
            progress.print("a line of output")

How long each step took is kept in ``target/durations``, and the estimate is made of that: of a step that was
never run nothing is known but what the others take on average. Steps may be run in several threads, and the
same step may be there many times. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

KEPT = Path(__file__).resolve().parent.parent / "target" / "durations"
UNKNOWN = 5.0
"""Seconds that a step takes if nothing at all is known."""
EVERY = 60.0
"""Seconds between two plain lines."""
BAR = 20
INSIDE = {"IRONLOOP_PROGRESS": "inside"}
"""For the variables of a process that runs inside of a step: the line that stays is its parent's."""


class Progress:
    """`at_once`: how many steps run at the same time. `ticks`: whether a thread counts the seconds down.

    `kept` is what the durations are remembered as, where that is another name than is shown.
    """

    def __init__(
        self,
        what: str,
        steps: Sequence[str],
        at_once: int = 1,
        ticks: bool = True,
        kept: str | None = None,
        out: TextIO | None = None,
    ) -> None:
        self._what = what
        self._left = Counter(steps)
        self._total = len(steps)
        self._at_once = at_once
        self._out = out or sys.stderr
        self._is_terminal = self._out.isatty() and not INSIDE.items() <= os.environ.items()
        self._running: dict[int, tuple[str, float]] = {}
        self._file = KEPT / (re.sub(r"[^\w.-]+", "-", kept or what)[:100] + ".json")
        self._seconds = self._read()
        self._taken: dict[str, list[float]] = {}
        self._told = time.monotonic()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._ticker = (
            threading.Thread(target=self._tick, daemon=True) if ticks and self._is_terminal else None
        )

    def __enter__(self) -> Progress:
        if self._ticker:
            self._ticker.start()
        self._tell(at_once=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._ticker:
            self._ticker.join()
        with self._lock:
            self._clear()
        self._keep()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times the block as one of the steps; one that fails is not remembered."""
        key = threading.get_ident()
        began = time.monotonic()
        with self._lock:
            self._running[key] = name, began
        self._tell()
        try:
            yield
            with self._lock:
                self._taken.setdefault(name, []).append(time.monotonic() - began)
        finally:
            with self._lock:
                del self._running[key]
                self._left[name] -= 1
            self._tell()

    def skip(self, name: str) -> None:
        """This step will not be run."""
        with self._lock:
            self._left[name] -= 1
        self._tell()

    def print(self, text: str, file: TextIO | None = None) -> None:
        """Lines of output, above the line that stays."""
        with self._lock:
            self._clear()
            print(text, file=file or self._out, flush=True)
            self._draw()

    def left(self) -> float:
        """Seconds, as far as one knows."""
        now = time.monotonic()
        with self._lock:
            running = [
                max(self._expected(name) - (now - began), 0.0) for name, began in self._running.values()
            ]
            waiting = Counter(self._left)
            waiting.subtract(name for name, _ in self._running.values())
            rest = sum(self._expected(name) * max(count, 0) for name, count in waiting.items())
        return max((sum(running) + rest) / self._at_once, max(running, default=0.0))

    def _expected(self, name: str) -> float:
        known = {**self._seconds, **self._means()}
        if name in known:
            return known[name]
        return sum(known.values()) / len(known) if known else UNKNOWN

    def _means(self) -> dict[str, float]:
        """Of the steps of this run."""
        return {name: sum(times) / len(times) for name, times in self._taken.items()}

    def _line(self) -> str:
        done = self._total - sum(self._left.values())
        filled = BAR * done // max(self._total, 1)
        running = ", ".join(name for name, _ in self._running.values())
        bar = "█" * filled + "─" * (BAR - filled)
        return f"{self._what} {bar} {done} of {self._total}, {told(self.left())} left: {running}"

    def _tell(self, at_once: bool = False) -> None:
        with self._lock:
            if self._is_terminal:
                self._clear()
                self._draw()
            elif self._total and (at_once or time.monotonic() - self._told >= EVERY):
                self._told = time.monotonic()
                done = self._total - sum(self._left.values())
                print(
                    f"{self._what}: {done} of {self._total}, {told(self.left())} left",
                    file=self._out,
                    flush=True,
                )

    def _draw(self) -> None:
        # Between steps the terminal is others'.
        if self._is_terminal and self._running and not self._ended.is_set():
            width = shutil.get_terminal_size().columns - 1
            self._out.write(self._line()[:width])
            self._out.flush()

    def _clear(self) -> None:
        if self._is_terminal:
            self._out.write("\r\x1b[K")

    def _tick(self) -> None:
        while not self._ended.wait(1):
            self._tell()

    def _read(self) -> dict[str, float]:
        try:
            kept = json.loads(self._file.read_text())
            return {str(name): float(seconds) for name, seconds in kept.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def _keep(self) -> None:
        if means := self._means():
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps({**self._seconds, **means}, indent=1) + "\n")


def told(seconds: float) -> str:
    """A duration as one would say it: `40 s`, `3 min`, `1 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
