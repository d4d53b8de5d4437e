"""What is told of a loop that was blocked: the report, the callbacks that want it, and the logger.

A native thread finds it out (`crates/python/src/event_loop/watchdog/`) and writes it to standard error while
it lasts. The loop's own thread comes here when it is free again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from traceback import FrameSummary, StackSummary
from typing import Any, TypeVar

_C = TypeVar("_C", bound="Callable[[Blocked], object]")

logger = logging.getLogger("ironloop.blocked")
_callbacks: list[Callable[[Blocked], object]] = []


class Blocked:
    """A stretch of time in which an event loop did nothing else.

    Attributes:
        loop: the loop.
        duration: how many seconds it has lasted, up to a fifth of the threshold more or less.
        cpu: for how many of them the loop's thread was on a processor, by the time it was reported; None
            where the system does not say.
        collecting: the part of the time in which the garbage collector ran, from 0 to 1.
        callbacks: 1, or how many callbacks made one turn of the loop long, of which none was.
        task: the name of the task that made its step; None for a callback, and for tasks of asyncio's own.
        coroutine: the qualified name of the task's coroutine.
        awaiters: the names of the tasks that await it, the next first.
        stack: where the thread was when it was reported, inside of the loop, the innermost call last.
        rust: the Rust future that was polled, of an extension module that uses the crate `ironloop`: its
            name, its crate and function, the file and line where it was made; None if none was.
        text: all of it, as it stands in the log.
    """

    __module__ = "ironloop"
    __slots__ = (
        "awaiters",
        "callbacks",
        "collecting",
        "coroutine",
        "cpu",
        "duration",
        "loop",
        "rust",
        "stack",
        "task",
        "text",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        text: str,
        duration: float,
        cpu: float | None,
        collecting: float,
        callbacks: int,
        task: str | None,
        coroutine: str | None,
        awaiters: list[str],
        stack: Iterable[tuple[str, int, str]],
        rust: str | None = None,
    ) -> None:
        self.loop = loop
        self.text = text
        self.duration = duration
        self.cpu = cpu
        self.collecting = collecting
        self.callbacks = callbacks
        self.task = task
        self.coroutine = coroutine
        self.awaiters = awaiters
        self.rust = rust
        # The lines themselves are read by whoever formats it.
        self.stack = StackSummary()
        self.stack.extend(FrameSummary(*place, lookup_line=False) for place in stack)

    def __repr__(self) -> str:
        return f"<ironloop.Blocked for {self.duration:.3f} s by {self.task or 'a callback'}>"


def add_blocked_callback(callback: _C) -> _C:
    """Has `callback(report)` called with a `Blocked` whenever a loop of ironloop's was blocked.

    It is called in the loop's thread, as soon as that is free again: what comes while the loop is blocked is
    written to standard error. What it raises goes to the loop's exception handler, but for `SystemExit`
    and `KeyboardInterrupt`, which end the run; how long it takes is not reported. Returns the callback, so it
    can stand as a decorator.

    A loop is blocked when one callback, or one step of a task, has taken 0.1 seconds, or as many as
    `IRONLOOP_BLOCKED` says in the environment; `IRONLOOP_BLOCKED=0` or `off` watches nothing.
    """
    _callbacks.append(callback)
    return callback


def remove_blocked_callback(callback: Callable[[Blocked], object]) -> int:
    """Takes a callback back, each time that it was added; returns how often that was."""
    count = _callbacks.count(callback)
    for _ in range(count):
        _callbacks.remove(callback)
    return count


def tell(loop: asyncio.AbstractEventLoop, *facts: Any) -> None:
    """The loop was blocked, and is free again."""
    report = Blocked(loop, *facts)
    # Without a handler of the program's, logging would write it to standard error, where it is already.
    if logger.hasHandlers():
        logger.warning("%s", report.text, extra={"blocked": report})
    for callback in list(_callbacks):
        try:
            callback(report)
        except Exception as error:
            loop.call_exception_handler(
                {"message": f"Exception in blocked callback {callback!r}", "exception": error}
            )
