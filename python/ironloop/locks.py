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
    """A mutual exclusion between tasks, given to those who wait in their order. (asyncio: Lock)

    `release` raises RuntimeError if nobody holds it; a wait does, if others have waited on another loop.
    """

    __module__ = "ironloop"
    _stands_for = _Lock


@_ironloop.native_event
class Event(EventCore, Copyable, _Event, metaclass=StandIn):  # type: ignore[misc]
    """A flag that tasks wait for. (asyncio: Event)

    `wait` raises RuntimeError if others have waited on another loop.
    """

    __module__ = "ironloop"
    _stands_for = _Event


@_ironloop.native_condition
class Condition(ConditionCore, Copyable, _Condition, metaclass=StandIn):  # type: ignore[misc]
    """Tasks that wait, with a lock let go, until others notify them. (asyncio: Condition)

    `lock` is any lock, by default a new one. `wait` and `notify` raise RuntimeError if nobody holds it; a
    wait does, if others have waited on another loop.
    """

    __module__ = "ironloop"
    _stands_for = _Condition

    def __init__(self, lock: Any = None) -> None:
        super().__init__(Lock() if lock is None else lock)
        # asyncio's own deque goes: who waits is kept natively until somebody asks.
        self._waiters = None


@_ironloop.native_semaphore
class Semaphore(SemaphoreCore, Copyable, _Semaphore, metaclass=StandIn):  # type: ignore[misc]
    """At most `value` tasks at a time; those who wait get in in their order. (asyncio: Semaphore)

    `value` is 1 by default; raises ValueError if it is negative. A wait raises RuntimeError if others have
    waited on another loop.
    """

    __module__ = "ironloop"
    _stands_for = _Semaphore


@_ironloop.native_bounded_semaphore
class BoundedSemaphore(Semaphore, _BoundedSemaphore, metaclass=StandIn):  # type: ignore[misc]
    """A semaphore of which a `release` too many raises ValueError. (asyncio: BoundedSemaphore)

    `value` and other errors are a `Semaphore`'s.
    """

    __module__ = "ironloop"
    _stands_for = _BoundedSemaphore


class Barrier(_Barrier, metaclass=StandIn):
    """Tasks that go on together, once `parties` of them are there. (asyncio: Barrier)

    asyncio's own code on a native condition. Raises ValueError if `parties` is less than 1; `wait` raises
    BrokenBarrierError if the barrier is reset or broken.
    """

    __module__ = "ironloop"
    _stands_for = _Barrier

    def __init__(self, parties: int) -> None:
        super().__init__(parties)
        self._cond = Condition()
