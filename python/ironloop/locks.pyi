import asyncio
from asyncio import BrokenBarrierError as BrokenBarrierError

from ironloop._ironloop import ConditionCore, EventCore, LockCore, SemaphoreCore
from ironloop.stand_in import StandIn

__all__ = ("Barrier", "BoundedSemaphore", "BrokenBarrierError", "Condition", "Event", "Lock", "Semaphore")

class Lock(LockCore, asyncio.Lock, metaclass=StandIn): ...  # type: ignore[misc]
class Event(EventCore, asyncio.Event, metaclass=StandIn): ...  # type: ignore[misc]
class Condition(ConditionCore, asyncio.Condition, metaclass=StandIn): ...  # type: ignore[misc]
class Semaphore(SemaphoreCore, asyncio.Semaphore, metaclass=StandIn): ...  # type: ignore[misc]
class BoundedSemaphore(Semaphore, asyncio.BoundedSemaphore): ...  # type: ignore[misc]
class Barrier(asyncio.Barrier, metaclass=StandIn): ...  # type: ignore[misc]
