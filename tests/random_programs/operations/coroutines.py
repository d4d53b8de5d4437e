"""Coroutines of asyncio's own that nobody awaits, that are closed, or that two tasks await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from random_programs.arguments import DELAY, FLAG, OneOf
from random_programs.operations import operation

_MAKERS: dict[str, Callable[[Any], Coroutine[Any, Any, Any]]] = {
    "sleep": lambda world: asyncio.sleep(1, "slept"),
    "give way": lambda world: asyncio.sleep(0),
    "put": lambda world: world.queues[0].put(1),
    "get": lambda world: world.queues[0].get(),
    "join": lambda world: world.queues[0].join(),
    "lock": lambda world: world.locks[0].acquire(),
    "event": lambda world: world.events[0].wait(),
    "condition": lambda world: world.conditions[0].wait(),
    "semaphore": lambda world: world.semaphores[0].acquire(),
    "barrier": lambda world: world.barriers[0].wait(),
    "wait_for": lambda world: asyncio.wait_for(world.futures[0], 1),
    "wait": lambda world: asyncio.wait([world.futures[0]], timeout=1),
}
COROUTINE = OneOf(*_MAKERS)


@operation(COROUTINE)
def drop_coroutine(scope: Any, kind: str) -> None:
    """Python warns of it at once."""
    _MAKERS[kind](scope.world)


@operation(COROUTINE, FLAG)
async def close_coroutine(scope: Any, kind: str, begun: bool) -> None:
    """Twice, as it is new, as it waits, or as it has ended."""
    coroutine = _MAKERS[kind](scope.world)
    if begun:
        try:
            scope.note("yields", coroutine.send(None) is None)
        except StopIteration as ended:
            scope.note("returns", ended.value)
    coroutine.close()
    coroutine.close()
    scope.note("closed")
    await coroutine


@operation(COROUTINE, DELAY)
async def await_in_two_tasks(scope: Any, kind: str, delay: float) -> Any:
    coroutine = _MAKERS[kind](scope.world)

    async def second() -> Any:
        await asyncio.sleep(delay)
        return await coroutine

    async def first() -> Any:
        return await coroutine

    tasks = []
    for number, awaits in enumerate((first, second)):
        tasks.append(asyncio.create_task(awaits()))
        scope.world.register(tasks[-1], f"{scope.path}, awaiter {number}")
    return await asyncio.gather(*tasks, return_exceptions=True)
