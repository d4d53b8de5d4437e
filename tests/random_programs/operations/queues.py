"""Queues of all kinds; those of a program are bounded or not."""

from __future__ import annotations

from typing import Any

from random_programs.arguments import FLAG, NUMBER, Shared
from random_programs.operations import operation

QUEUE = Shared("queues")


@operation(QUEUE, NUMBER, weight=4, helps=True)
async def put(scope: Any, queue: Any, item: int) -> Any:
    return await queue.put(item)


@operation(QUEUE, weight=4, helps=True)
async def get(scope: Any, queue: Any) -> Any:
    return await queue.get()


@operation(QUEUE, NUMBER, weight=2, helps=True)
def put_nowait(scope: Any, queue: Any, item: int) -> Any:
    return queue.put_nowait(item)


@operation(QUEUE, weight=2, helps=True)
def get_nowait(scope: Any, queue: Any) -> Any:
    return queue.get_nowait()


@operation(QUEUE, helps=True)
def task_done(scope: Any, queue: Any) -> Any:
    return queue.task_done()


@operation(QUEUE)
async def join(scope: Any, queue: Any) -> Any:
    return await queue.join()


@operation(QUEUE, about="looks")
def inspect_queue(scope: Any, queue: Any) -> Any:
    return queue.empty(), queue.full(), queue.qsize(), queue.maxsize, repr(queue)


@operation(QUEUE, FLAG, weight=0.7, helps=True, since=(3, 13))
def shutdown(scope: Any, queue: Any, immediate: bool) -> Any:
    return queue.shutdown(immediate=immediate)
