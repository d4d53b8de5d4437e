"""Limits in time: `timeout`, `timeout_at`, `Timeout` and `wait_for`."""

from __future__ import annotations

import asyncio.timeouts
from collections.abc import Awaitable
from typing import TypeVar

from ironloop import _ironloop
from ironloop._ironloop import TimeoutCore, native_timeout
from ironloop.stand_in import StandIn

__all__ = ("Timeout", "timeout", "timeout_at", "wait_for")

_T = TypeVar("_T")


@native_timeout
class Timeout(TimeoutCore, asyncio.timeouts.Timeout, metaclass=StandIn):  # type: ignore[misc]
    """A limit to the time that an `async with` block takes; made by `timeout` and `timeout_at`.

    `when()` is its deadline, `reschedule(when)` moves it, `expired()` says whether it came.
    Counterpart: `asyncio.Timeout`.

    Args:
        when: the deadline in seconds on the loop's clock, `loop.time()`; None: there is none.

    Raises:
        TimeoutError: by the block, from whose code a CancelledError came at the deadline.
        RuntimeError: it is entered twice, or outside of a task; by `reschedule` before or after the block.
    """

    __module__ = "ironloop"
    _stands_for = asyncio.timeouts.Timeout


async def _await(awaitable: Awaitable[_T]) -> _T:
    return await awaitable


_ironloop.await_by(_await)

timeout = _ironloop.timeout
timeout_at = _ironloop.timeout_at
wait_for = _ironloop.wait_for
