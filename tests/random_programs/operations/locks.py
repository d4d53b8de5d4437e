"""Locks, events, conditions, semaphores, barriers; misused too."""

from __future__ import annotations

from typing import Any

from random_programs.arguments import BLOCK, NUMBER, OneOf, Shared
from random_programs.operations import operation

LOCK = Shared("locks")
EVENT = Shared("events")
CONDITION = Shared("conditions")
SEMAPHORE = Shared("semaphores")
BARRIER = Shared("barriers")


@operation(LOCK, BLOCK, weight=4)
async def with_lock(scope: Any, lock: Any, part: Any) -> Any:
    async with lock:
        return await part.run()


@operation(LOCK)
async def acquire(scope: Any, lock: Any) -> Any:
    return await lock.acquire()


@operation(LOCK, weight=2, helps=True)
def release(scope: Any, lock: Any) -> Any:
    return lock.release()


@operation(EVENT, weight=3)
async def wait_event(scope: Any, event: Any) -> Any:
    return await event.wait()


@operation(EVENT, weight=2, helps=True)
def set_event(scope: Any, event: Any) -> Any:
    return event.set()


@operation(EVENT)
def clear_event(scope: Any, event: Any) -> Any:
    return event.clear()


@operation(CONDITION, BLOCK)
async def with_condition(scope: Any, condition: Any, part: Any) -> Any:
    async with condition as entered:
        scope.note("holds", entered)
        return await part.run()


@operation(CONDITION, BLOCK, weight=3)
async def wait_condition(scope: Any, condition: Any, part: Any) -> Any:
    async with condition:
        scope.note("woken", await condition.wait())
        return await part.run()


@operation(CONDITION, NUMBER, weight=2)
async def wait_for_condition(scope: Any, condition: Any, least: int) -> Any:
    def predicate() -> Any:
        scope.note("predicate")
        return scope.world.count >= least and f"{least} reached"

    async with condition:
        return await condition.wait_for(predicate)


@operation(CONDITION, OneOf(0, 1, 1, 2, None), weight=3, helps=True)
async def notify(scope: Any, condition: Any, number: int | None) -> Any:
    async with condition:
        scope.world.count += 1
        return condition.notify_all() if number is None else condition.notify(number)


@operation(CONDITION, weight=0.5)
async def wait_unlocked(scope: Any, condition: Any) -> Any:
    return await condition.wait()


@operation(CONDITION, weight=0.5)
def notify_unlocked(scope: Any, condition: Any) -> Any:
    return condition.notify_all()


@operation(SEMAPHORE, BLOCK, weight=3)
async def with_semaphore(scope: Any, semaphore: Any, part: Any) -> Any:
    async with semaphore:
        return await part.run()


@operation(SEMAPHORE)
async def acquire_semaphore(scope: Any, semaphore: Any) -> Any:
    return await semaphore.acquire()


@operation(SEMAPHORE, weight=2, helps=True)
def release_semaphore(scope: Any, semaphore: Any) -> Any:
    return semaphore.release()


@operation(BARRIER, weight=3, helps=True)
async def wait_barrier(scope: Any, barrier: Any) -> Any:
    return await barrier.wait()


@operation(BARRIER, BLOCK)
async def with_barrier(scope: Any, barrier: Any, part: Any) -> Any:
    async with barrier as position:
        scope.note("passes", position)
        return await part.run()


@operation(BARRIER, OneOf("reset", "abort"), weight=0.7, helps=True)
async def break_barrier(scope: Any, barrier: Any, how: str) -> Any:
    return await getattr(barrier, how)()


@operation(LOCK, EVENT, CONDITION, SEMAPHORE, BARRIER)
def inspect_locks(scope: Any, *primitives: Any) -> Any:
    return [repr(primitive) for primitive in primitives]
