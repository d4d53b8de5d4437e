"""A hang is a failure, and shows where."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any


def _awaits(coroutine: Any) -> Iterator[str]:
    """Where a coroutine stands, and what it awaits stands; a task's own stack shows its first frame only."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        yield f"{frame.f_code.co_qualname} line {frame.f_lineno}" if frame else repr(coroutine)
        coroutine = getattr(coroutine, "cr_await", None)


class Watchdog:
    """Ends the process with all tasks' and threads' stacks unless it is told of progress in time.

    It is a thread, because a loop that hangs runs no timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.loop = loop
        self.seconds = seconds
        self.doing = "starting"
        self._progress = threading.Event()
        threading.Thread(target=self._watch, name="soak-watchdog", daemon=True).start()

    def progress(self, doing: str) -> None:
        """What begins now has its own time."""
        self.doing = doing
        self._progress.set()

    def _watch(self) -> None:
        while self._progress.wait(self.seconds):
            self._progress.clear()
        # Standard error: what is printed there comes in order, and at once.
        print(f"\nno end of {self.doing} within {self.seconds:g} s", file=sys.stderr)
        for task in asyncio.all_tasks(self.loop):
            print(f"{task!r}", *_awaits(task.get_coro()), sep="\n    ", file=sys.stderr)
        sys.stderr.flush()
        faulthandler.dump_traceback(all_threads=True)
        os._exit(1)
