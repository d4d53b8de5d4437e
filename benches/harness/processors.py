"""A processor each for a client and its server, if there are two: neither must take the other's time."""

from __future__ import annotations

import contextlib
import os

PROCESSORS = sorted(os.sched_getaffinity(0))

SERVER, CLIENT = 0, 1


def pin(pid: int, index: int) -> None:
    """Keep process `pid`, and those that it starts afterwards, on one processor; 0 is this process."""
    if len(PROCESSORS) > 1:
        with contextlib.suppress(ProcessLookupError):  # it has ended already; what it said is told elsewhere
            os.sched_setaffinity(pid, {PROCESSORS[index]})
