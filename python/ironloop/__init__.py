"""ironloop: Python's async/await, run by Rust.

An asyncio event loop that unmodified programs run on. Importing it changes nothing; `run`, `install` and
`python -m ironloop` put it behind asyncio's own names.
"""

from __future__ import annotations

from typing import Any

from ironloop import queues
from ironloop._ironloop import __version__
from ironloop.loop import Loop
from ironloop.queues import LifoQueue, PriorityQueue, Queue, QueueEmpty, QueueFull
from ironloop.runner import install, new_event_loop, run, uninstall

__all__ = [
    "EventLoopPolicy",
    "LifoQueue",
    "Loop",
    "PriorityQueue",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "__version__",
    "install",
    "new_event_loop",
    "run",
    "uninstall",
]
if hasattr(queues, "QueueShutDown"):
    QueueShutDown = queues.QueueShutDown
    __all__ += ["QueueShutDown"]


def __getattr__(name: str) -> Any:
    # Made when first asked for: from Python 3.14 on to name a policy is a deprecation warning.
    if name == "EventLoopPolicy":
        from ironloop.policy import EventLoopPolicy

        return EventLoopPolicy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
