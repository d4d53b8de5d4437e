"""The switch between ironloop's own tasks, futures, queues… and asyncio's."""

from __future__ import annotations

import os

VARIABLE = "IRONLOOP_NATIVE"


def is_wanted() -> bool:
    """Whether the vocabulary is ironloop's own where nobody has said so: unless `IRONLOOP_NATIVE=0`."""
    return os.environ.get(VARIABLE, "1") != "0"
