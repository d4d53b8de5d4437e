"""Running a coroutine to its end inside a loop that runs: for notebooks, whose cells a running loop calls."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio import tasks
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any, TypeVar

from ironloop.loop import Loop

_T = TypeVar("_T")


class NestedLoop(Loop):
    """A loop whose `run_until_complete` may be called while it runs: by a callback, or by a task."""

    __module__ = "ironloop"
    _may_nest = True

    def run_until_complete(self, future: Generator[Any, None, _T] | Awaitable[_T]) -> _T:
        """Runs until the future is done; returns its result. (asyncio: loop.run_until_complete)

        While the loop runs, it turns inside the call: all that it runs goes on meanwhile, except for the
        caller. If the task that calls is cancelled (Python 3.13 and later), what it waits for is.

        Raises:
            RuntimeError: the loop is closed, or stopped before the future was done; another loop runs in this
                thread, or this one in another.
        """
        if asyncio._get_running_loop() is not self:
            return super().run_until_complete(future)
        made_here = not asyncio.isfuture(future)
        awaited: Any = asyncio.ensure_future(future, loop=self)
        if made_here:
            # Should the loop be stopped, the error below tells enough.
            awaited._log_destroy_pending = False
        with _set_aside(asyncio.current_task(self), self) as cancelled:
            try:
                while not awaited.done():
                    self._run_once()
                    if self._stopping and not awaited.done():
                        raise RuntimeError("Event loop stopped before Future completed.")
                    if made_here and cancelled():
                        awaited.cancel()
            except BaseException:
                if made_here and awaited.done() and not awaited.cancelled():
                    awaited.exception()  # raised just now, out of the turn
                raise
        result: _T = awaited.result()
        return result


# Before, a cancellation that `Task.uncancel` takes back (as `asyncio.timeout` does) is delivered after all.
_CANCELLATION_CAN_BE_TAKEN_BACK = sys.version_info >= (3, 13)


@contextlib.contextmanager
def _set_aside(
    task: asyncio.Task[Any] | None, loop: asyncio.AbstractEventLoop
) -> Iterator[Callable[[], bool]]:
    """The task that calls stands still meanwhile, and is not the current one.

    Gives a function that tells, once for each time, whether the task was asked to cancel.
    """
    if task is None:
        yield lambda: False
        return
    heard = task.cancelling()

    def cancelled() -> bool:
        nonlocal heard
        before, heard = heard, task.cancelling()
        return _CANCELLATION_CAN_BE_TAKEN_BACK and heard > before

    tasks._leave_task(loop, task)
    try:
        yield cancelled
    finally:
        tasks._enter_task(loop, task)
