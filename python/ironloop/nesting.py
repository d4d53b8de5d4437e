"""Running a coroutine to its end inside a loop that runs: for notebooks, whose cells a running loop calls."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
from asyncio import tasks
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any, TypeVar

from ironloop.loop import Loop
from ironloop.runner import install

_T = TypeVar("_T")


class Nesting:
    """What makes a loop one that may be run while it runs, before the class of the loop."""

    __slots__ = ()
    _may_nest = True

    def run_until_complete(self, future: Generator[Any, None, _T] | Awaitable[_T]) -> _T:
        """Runs until the future is done; returns its result.

        Counterpart: asyncio's `loop.run_until_complete`.

        While the loop runs, it turns inside the call: all that it runs goes on meanwhile, except for the
        caller. If the task that calls is cancelled (Python 3.13 and later), what it waits for is.

        Raises:
            RuntimeError: the loop is closed, or stopped before the future was done; another loop runs in this
                thread, or this one in another.
        """
        loop: Any = self
        if asyncio._get_running_loop() is not loop:
            result: _T = super().run_until_complete(future)  # type: ignore[misc]
            return result
        made_here = not asyncio.isfuture(future)
        awaited: Any = asyncio.ensure_future(future, loop=loop)
        if made_here:
            # Should the loop be stopped, the error below tells enough.
            awaited._log_destroy_pending = False
        with _set_aside(loop) as cancelled:
            try:
                while not awaited.done():
                    loop._run_once()
                    if loop._stopping and not awaited.done():
                        raise RuntimeError("Event loop stopped before Future completed.")
                    if made_here and cancelled():
                        awaited.cancel()
            except BaseException:
                if made_here and awaited.done() and not awaited.cancelled():
                    awaited.exception()  # raised just now, out of the turn
                raise
        result = awaited.result()
        return result


class NestedLoop(Nesting, Loop):  # type: ignore[misc]
    """A loop whose `run_until_complete` may be called while it runs: by a callback, or by a task."""

    __module__ = "ironloop"


@functools.cache
def _nested(kind: type[Loop]) -> type[Loop]:
    if kind is Loop:
        return NestedLoop
    return type(kind.__name__, (Nesting, kind), {"__slots__": (), "__module__": kind.__module__})


def nest(loop: Loop) -> None:
    """From now on the loop may be run while it runs."""
    if not loop._may_nest:
        loop.__class__ = _nested(type(loop))


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext ironloop` does: a cell may call `ironloop.run` and `loop.run_until_complete`.

    The loop of a notebook's kernel runs while it calls the cell; from now on it is nested. In IPython on a
    terminal no loop runs then, and ironloop is installed.

    Raises:
        RuntimeError: the loop that runs is not ironloop's. The kernel has to be started with `IRONLOOP=1`.
    """
    running = asyncio._get_running_loop()
    if running is None:
        install()
    elif isinstance(running, Loop):
        nest(running)
    else:
        kind = f"{type(running).__module__}.{type(running).__qualname__}"
        raise RuntimeError(f"this kernel runs {kind}: start it with IRONLOOP=1 in its environment")


# Before, a cancellation that `Task.uncancel` takes back (as `asyncio.timeout` does) is delivered after all.
_CANCELLATION_CAN_BE_TAKEN_BACK = sys.version_info >= (3, 13)


@contextlib.contextmanager
def _set_aside(loop: Any) -> Iterator[Callable[[], bool]]:
    """The task that calls stands still meanwhile, and is not the current one.

    Gives a function that tells, once for each time, whether the task was asked to cancel.
    """
    native = asyncio.current_task(loop)
    if native is not None:
        tasks._leave_task(loop, native)
    # From Python 3.14 on, tasks written in Python (nest_asyncio makes them) have a record of their own.
    in_python: asyncio.Task[Any] | None = tasks._current_tasks.pop(loop, None)
    caller = native if native is not None else in_python
    heard = 0 if caller is None else caller.cancelling()

    def cancelled() -> bool:
        nonlocal heard
        before, heard = heard, 0 if caller is None else caller.cancelling()
        return _CANCELLATION_CAN_BE_TAKEN_BACK and heard > before

    try:
        yield cancelled
    finally:
        if native is not None:
            tasks._enter_task(loop, native)
        if in_python is not None:
            tasks._current_tasks[loop] = in_python
