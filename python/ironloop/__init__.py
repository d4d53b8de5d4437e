"""ironloop: Python's async/await, run by Rust.

An asyncio event loop that unmodified programs run on, and asyncio's vocabulary in Rust. Importing it changes
nothing; `run`, `install` and `python -m ironloop` put it behind asyncio's own names.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

from ironloop import native, private
from ironloop._ironloop import __version__, tls_path
from ironloop.loop import Loop
from ironloop.runner import Runner, install, new_event_loop, run, uninstall

if not native.obstacles:
    from ironloop._ironloop import Future, Task, sleep
    from ironloop.combinators import (
        as_completed,
        create_task,
        ensure_future,
        gather,
        run_coroutine_threadsafe,
        shield,
        to_thread,
        wait,
    )
    from ironloop.locks import Barrier, BoundedSemaphore, Condition, Event, Lock, Semaphore
    from ironloop.process import Process as Process
    from ironloop.queues import LifoQueue, PriorityQueue, Queue, QueueEmpty, QueueFull
    from ironloop.streams import (
        StreamReader,
        StreamReaderProtocol,
        StreamWriter,
        open_connection,
        open_unix_connection,
        start_server,
        start_unix_server,
    )
    from ironloop.taskgroups import TaskGroup
    from ironloop.timeouts import Timeout, timeout, timeout_at, wait_for
else:
    warnings.warn(
        f"this asyncio is not what ironloop knows: {', '.join(native.obstacles)}. "
        f"{'The loop' if private.gone_from_loop else 'All but the loop'} is asyncio's own.",
        RuntimeWarning,
        stacklevel=2,
    )
__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "EventLoopPolicy",
    "Future",
    "LifoQueue",
    "Lock",
    "Loop",
    "PriorityQueue",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "Runner",
    "Semaphore",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "Task",
    "TaskGroup",
    "Timeout",
    "__version__",
    "as_completed",
    "create_task",
    "ensure_future",
    "gather",
    "install",
    "new_event_loop",
    "open_connection",
    "open_unix_connection",
    "run",
    "run_coroutine_threadsafe",
    "shield",
    "sleep",
    "start_server",
    "start_unix_server",
    "timeout",
    "timeout_at",
    "tls_path",
    "to_thread",
    "uninstall",
    "wait",
    "wait_for",
]
if hasattr(asyncio, "QueueShutDown"):
    QueueShutDown = asyncio.QueueShutDown
    __all__ += ["QueueShutDown"]


def __getattr__(name: str) -> Any:
    if native.obstacles and name in __all__ and hasattr(asyncio, name):
        return getattr(asyncio, name)
    # Made when first asked for: from Python 3.14 on to name a policy is a deprecation warning.
    if name == "EventLoopPolicy":
        from ironloop.policy import EventLoopPolicy

        return EventLoopPolicy
    # Not before somebody has to do with files. (Not in `__all__`: Python's own `open` stays what it is.)
    if name in ("files", "open"):
        from importlib import import_module

        files = import_module("ironloop.files")
        globals()["open"] = files.open
        return files if name == "files" else files.open
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
