"""Locks, events, conditions and semaphores, native below asyncio's own classes; barriers on such a condition.

Each is made for any loop; where another loop runs, asyncio's own class is made.
"""

from __future__ import annotations

from asyncio import locks as stock
from asyncio.exceptions import BrokenBarrierError
from typing import Any

from ironloop import _ironloop
from ironloop._ironloop import ConditionCore, EventCore, LockCore, SemaphoreCore
from ironloop.stand_in import Copyable, StandIn

__all__ = ("Barrier", "BoundedSemaphore", "BrokenBarrierError", "Condition", "Event", "Lock", "Semaphore")

# asyncio's own, whatever stands behind their names later on.
_Lock, _Event, _Condition = stock.Lock, stock.Event, stock.Condition
_Semaphore, _BoundedSemaphore, _Barrier = stock.Semaphore, stock.BoundedSemaphore, stock.Barrier


@_ironloop.native_lock
class Lock(LockCore, Copyable, _Lock, metaclass=StandIn):  # type: ignore[misc]
    """A mutual exclusion between tasks of one loop: `async with lock:`.

    Those who wait get it in the order in which they came. It is not re-entrant, and not for threads.
    Counterpart: `asyncio.Lock`.

    Raises:
        RuntimeError: by `release` if nobody holds it; by a wait if others have waited on another loop.
    """

    __module__ = "ironloop"
    _stands_for = _Lock


@_ironloop.native_event
class Event(EventCore, Copyable, _Event, metaclass=StandIn):  # type: ignore[misc]
    """A flag that tasks wait for: `await event.wait()`, until somebody calls `set`; `clear` takes it back.

    Counterpart: `asyncio.Event`.

    Raises:
        RuntimeError: by `wait` if others have waited on another loop.
    """

    __module__ = "ironloop"
    _stands_for = _Event


@_ironloop.native_condition
class Condition(ConditionCore, Copyable, _Condition, metaclass=StandIn):  # type: ignore[misc]
    """Tasks that wait, with a lock let go, until others notify them.

    Within `async with condition:` one may `wait`, or `wait_for` a predicate, which lets the lock go until
    another task calls `notify` or `notify_all`. Counterpart: `asyncio.Condition`.

    Args:
        lock: any lock of the same loop; by default a new one.

    Raises:
        RuntimeError: by `wait` and `notify` if nobody holds the lock; by a wait if others have waited on
            another loop.
    """

    __module__ = "ironloop"
    _stands_for = _Condition

    def __init__(self, lock: Any = None) -> None:
        super().__init__(Lock() if lock is None else lock)
        # asyncio's own deque goes: who waits is kept natively until somebody asks.
        self._waiters = None


@_ironloop.native_semaphore
class Semaphore(SemaphoreCore, Copyable, _Semaphore, metaclass=StandIn):  # type: ignore[misc]
    """At most `value` tasks at a time inside `async with semaphore:`; those who wait get in in their order.

    Counterpart: `asyncio.Semaphore`.

    Args:
        value: how many may get in at first.

    Raises:
        ValueError: `value` is negative.
        RuntimeError: by a wait if others have waited on another loop.
    """

    __module__ = "ironloop"
    _stands_for = _Semaphore


@_ironloop.native_bounded_semaphore
class BoundedSemaphore(Semaphore, _BoundedSemaphore, metaclass=StandIn):  # type: ignore[misc]
    """A semaphore that notices if it is released more often than acquired.

    Counterpart: `asyncio.BoundedSemaphore`.

    Args:
        value: how many may get in at first, and at most.

    Raises:
        ValueError: `value` is negative; by a `release` too many.
        RuntimeError: by a wait if others have waited on another loop.
    """

    __module__ = "ironloop"
    _stands_for = _BoundedSemaphore


class Barrier(_Barrier, metaclass=StandIn):
    """Tasks that go on together, once `parties` of them wait: `await barrier.wait()`, or `async with`.

    It is asyncio's own code on a native condition. Counterpart: `asyncio.Barrier`.

    Args:
        parties: how many tasks it takes.

    Raises:
        ValueError: `parties` is less than 1.
        BrokenBarrierError: by `wait` if the barrier is reset while tasks wait, or was aborted.
    """

    __module__ = "ironloop"
    _stands_for = _Barrier

    def __init__(self, parties: int) -> None:
        super().__init__(parties)
        self._cond = Condition()
