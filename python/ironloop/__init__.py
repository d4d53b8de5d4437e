"""ironloop: Python's async/await, run by Rust.

An asyncio event loop that unmodified programs run on. Importing it changes nothing; `run`, `install` and
`python -m ironloop` put it behind asyncio's own names.
"""

from __future__ import annotations

from typing import Any

from ironloop._ironloop import __version__
from ironloop.loop import Loop
from ironloop.runner import install, new_event_loop, run, uninstall
from ironloop.taskgroups import TaskGroup
from ironloop.timeouts import Timeout, timeout, timeout_at, wait_for

__all__ = (
    "EventLoopPolicy",
    "Loop",
    "TaskGroup",
    "Timeout",
    "__version__",
    "install",
    "new_event_loop",
    "run",
    "timeout",
    "timeout_at",
    "uninstall",
    "wait_for",
)


def __getattr__(name: str) -> Any:
    # Made when first asked for: from Python 3.14 on to name a policy is a deprecation warning.
    if name == "EventLoopPolicy":
        from ironloop.policy import EventLoopPolicy

        return EventLoopPolicy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
