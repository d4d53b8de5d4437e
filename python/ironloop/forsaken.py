"""Whether a task waits for a future that nobody else holds, so that nobody can end it.

The recorder asks when a task of a recorded loop begins to wait for a future with few references. What cannot
be told for certain is not said: a future that a closure holds, or whatever is not awaited by `await` itself.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from typing import Any


def is_forsaken(task: asyncio.Task[Any]) -> bool:
    """Whether all references to what the task waits for are its own: a field, the await, variables."""
    future = task._fut_waiter  # type: ignore[attr-defined]
    if future is None or weakref.getweakrefcount(future):
        return False
    held = 1
    coroutine: Any = task.get_coro()
    for _ in range(100):
        # The variables of a frame, without making an object of it.
        held += _count(gc.get_referents(coroutine), future)
        inner = getattr(coroutine, "cr_await", None)
        if inner is None:
            return False
        if type(inner) is type(future.__await__()):
            return _references(future) <= _BY_A_VARIABLE + held + 1 and not _has_a_limit(task)
        coroutine = inner
    return False


def _has_a_limit(task: asyncio.Task[Any]) -> bool:
    """Whether a timer ends the wait: a timeout's, or `wait_for`'s. Asked last, for it looks at all timers."""
    timers: list[tuple[float, Any]] = getattr(task.get_loop(), "_timers", list)()
    waiting = {id(what) for _, what in timers}
    coroutine: Any = task.get_coro()
    while coroutine is not None:
        if id(coroutine) in waiting:
            return True
        coroutine = getattr(coroutine, "cr_await", None)
    return any(getattr(what, "_task", None) is task for _, what in timers)


def _count(things: list[Any], wanted: object) -> int:
    # By itself: a cell, as a generator makes one of what it names, would be loaded in another way.
    return sum(1 for thing in things if thing is wanted)


def _references(thing: object) -> int:
    return sys.getrefcount(thing)


def _by_a_variable() -> int:
    """What the same question answers of something that one variable holds."""
    future = object()
    return _references(future)


_BY_A_VARIABLE = _by_a_variable()
