"""The switch between ironloop's own tasks, futures, queues… and asyncio's."""

from __future__ import annotations

import os

from ironloop._ironloop import misfit
from ironloop.private import gone_from_vocabulary

VARIABLE = "IRONLOOP_NATIVE"
# Why it cannot be ironloop's on this Python, in words; empty: it can.
obstacles = gone_from_vocabulary + ([f"another layout of futures and tasks ({misfit})"] if misfit else [])


def is_wanted(native: bool | None = None) -> bool:
    """Whether the vocabulary is ironloop's own: as the caller says, else unless `IRONLOOP_NATIVE=0`."""
    wanted = os.environ.get(VARIABLE, "1") != "0" if native is None else native
    return wanted and not obstacles
