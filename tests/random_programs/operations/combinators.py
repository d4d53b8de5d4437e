"""Several awaitables at once: gather, wait, as_completed, groups; one that is shielded or in a hurry."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, MutableSet
from typing import Any

from random_programs.arguments import (
    AWAITABLE,
    BLOCK,
    FLAG,
    NUMBER,
    TASK_TO_AWAIT,
    TIMEOUT,
    OneOf,
    Several,
)
from random_programs.operations import operation
from random_programs.operations.tasks import make


def _started(scope: Any, awaitable: Any) -> Any:
    return awaitable if asyncio.isfuture(awaitable) else make(scope, awaitable, "create_task")


def _awaitable(awaitable: Any) -> Any:
    return awaitable if asyncio.isfuture(awaitable) else awaitable.coroutine()


@operation(Several(AWAITABLE), FLAG, weight=4, about="combinators")
async def gather(scope: Any, awaitables: list[Any], return_exceptions: bool) -> Any:
    return await asyncio.gather(*map(_awaitable, awaitables), return_exceptions=return_exceptions)


@operation(
    Several(AWAITABLE),
    TIMEOUT,
    OneOf("FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"),
    weight=3,
    about="combinators",
)
async def wait(scope: Any, awaitables: list[Any], timeout: float | None, return_when: str) -> Any:
    started = [_started(scope, awaitable) for awaitable in awaitables]
    try:
        return await asyncio.wait(started, timeout=timeout, return_when=getattr(asyncio, return_when))
    finally:
        # It looks at the exceptions of some, and asyncio goes through them in a set's order: here at all.
        scope.note("outcomes", [_outcome(future) for future in started])


def _outcome(future: Any) -> Any:
    return future.done() and (future.cancelled() or future.exception())


@operation(AWAITABLE, TIMEOUT, weight=4, about="timeouts")
async def wait_for(scope: Any, awaitable: Any, timeout: float | None) -> Any:
    return await asyncio.wait_for(_awaitable(awaitable), timeout)


@operation(AWAITABLE, weight=2, about="combinators")
async def shield(scope: Any, awaitable: Any) -> Any:
    return await asyncio.shield(_awaitable(awaitable))


@operation(Several(BLOCK), TASK_TO_AWAIT, TIMEOUT, NUMBER, weight=2, about="combinators")
async def as_completed(scope: Any, parts: list[Any], task: Any, timeout: float | None, most: int) -> Any:
    # Tasks, not coroutines, and at most one that may be done: asyncio goes through them in a set's order.
    tasks = [_started(scope, part) for part in parts] + ([] if task is None else [task])
    results = []
    for number, next_done in enumerate(asyncio.as_completed(tasks, timeout=timeout)):
        results.append(await next_done)
        scope.note("completed", results[-1])
        if number == most:
            break
    return results


@operation(Several(BLOCK), TIMEOUT, since=(3, 13), about="combinators")
async def async_as_completed(scope: Any, parts: list[Any], timeout: float | None) -> Any:
    tasks = [_started(scope, part) for part in parts]
    async for task in asyncio.as_completed(tasks, timeout=timeout):
        scope.note("completed", (task, task.cancelled() or task.exception()))


class _InOrder(MutableSet[Any]):
    """Cancels in the order of creation: asyncio's group keeps its tasks in a set, by address."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items: dict[Any, None] = dict.fromkeys(items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Any) -> None:
        self._items[item] = None

    def discard(self, item: Any) -> None:
        self._items.pop(item, None)


@operation(Several(BLOCK), BLOCK, weight=4, about="groups")
async def task_group(scope: Any, children: list[Any], part: Any) -> Any:
    async with asyncio.TaskGroup() as entered:
        groups = (*scope.groups, entered)
        for child in children:
            _create_in_group(scope, entered, child.inside(groups=groups))
        return await part.inside(groups=groups).run()


@operation(BLOCK, FLAG, weight=4, about="groups")
async def spawn_in_group(scope: Any, part: Any, own_context: bool) -> Any:
    if not scope.groups:
        return None
    options = {"context": scope.world.context} if own_context else {}
    return _create_in_group(scope, scope.groups[-1], part, **options)


def _create_in_group(scope: Any, group: Any, part: Any, **options: Any) -> Any:
    # One alone needs no order: a set as asyncio makes it is what the native group knows.
    tasks = group._tasks
    group._tasks = _InOrder(tasks) if tasks else set()
    coroutine = part.coroutine()
    try:
        task = group.create_task(coroutine, **options)
    except RuntimeError:
        coroutine.close()
        raise
    scope.world.register(task, part.scope.path)
    return task


@operation(BLOCK, TIMEOUT, FLAG, weight=4, about="timeouts")
async def timeout(scope: Any, part: Any, delay: float | None, absolute: bool) -> Any:
    if absolute and delay is not None:
        block = asyncio.timeout_at(asyncio.get_running_loop().time() + delay)
    else:
        block = asyncio.timeout(delay)
    try:
        async with block as entered:
            return await part.inside(timeouts=(*scope.timeouts, entered)).run()
    finally:
        scope.note("timed", (block.when(), block.expired()))


@operation(TIMEOUT, about="timeouts")
async def reschedule(scope: Any, delay: float | None) -> Any:
    if scope.timeouts:
        block = scope.timeouts[-1]
        block.reschedule(None if delay is None else scope.world.loop.time() + delay)
        return block.when(), block.expired()
    return None
