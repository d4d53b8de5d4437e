"""ironloop: Python's async/await, run by Rust.

An asyncio event loop that unmodified programs run on, and asyncio's vocabulary in Rust. Importing it changes
nothing; `run`, `install` and `python -m ironloop` put it behind asyncio's own names.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

from ironloop import private
from ironloop._ironloop import VirtualClock, __version__, tls_path
from ironloop.loop import Loop
from ironloop.runner import Runner, install, new_event_loop, run, uninstall

if not private.obstacles:
    from asyncio import run_coroutine_threadsafe, to_thread

    from ironloop._ironloop import (
        Future,
        Task,
        as_completed,
        create_task,
        ensure_future,
        gather,
        shield,
        sleep,
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
        f"this asyncio is not what ironloop knows: {', '.join(private.obstacles)}. "
        f"{'The loop' if private.gone_from_loop else 'All but the loop'} is asyncio's own.",
        RuntimeWarning,
        stacklevel=2,
    )
__all__ = [
    "Barrier",
    "Blocked",
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
    "VirtualClock",
    "__version__",
    "add_blocked_callback",
    "as_completed",
    "create_task",
    "ensure_future",
    "gather",
    "install",
    "new_event_loop",
    "open_connection",
    "open_unix_connection",
    "remove_blocked_callback",
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
    if private.obstacles and name in __all__ and hasattr(asyncio, name):
        return getattr(asyncio, name)
    # Loaded when first asked for, as few programs do.
    if name in ("Blocked", "add_blocked_callback", "remove_blocked_callback"):
        from ironloop import blocked

        return getattr(blocked, name)
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
    # IPython's `%load_ext ironloop` looks for it.
    if name == "load_ipython_extension":
        from ironloop.nesting import load_ipython_extension

        return load_ipython_extension
    # Not before somebody looks at tasks.
    if name in (
        "RustTask",
        "TaskState",
        "deadlocks",
        "flight_recorder",
        "rust_tasks",
        "snapshot",
        "tasks",
        "watch",
    ):
        from importlib import import_module

        module = import_module("ironloop.watching")
        return getattr(module, name)
    if name in ("Histogram", "Metrics"):
        from ironloop import metrics

        return getattr(metrics, name)
    # Nor before somebody simulates.
    if name in ("Simulation", "simulate", "simulation"):
        from ironloop import simulator

        return getattr(simulator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
