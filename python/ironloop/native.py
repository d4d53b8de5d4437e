"""The switch between ironloop's own tasks, futures, queues… and asyncio's."""

from __future__ import annotations

import os

VARIABLE = "IRONLOOP_NATIVE"


def is_wanted(native: bool | None = None) -> bool:
    """Whether the vocabulary is ironloop's own: as the caller says, else unless `IRONLOOP_NATIVE=0`."""
    return os.environ.get(VARIABLE, "1") != "0" if native is None else native
