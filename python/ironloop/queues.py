"""Queues: asyncio's, with a native core for what runs per item."""

from __future__ import annotations

from asyncio import queues
from asyncio.queues import QueueEmpty, QueueFull

from ironloop._ironloop import QueueCore, native_queues
from ironloop.stand_in import Copyable, StandIn

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull"]

if hasattr(queues, "QueueShutDown"):
    QueueShutDown = queues.QueueShutDown
    __all__ += ["QueueShutDown"]


class Queue(QueueCore, Copyable, queues.Queue, metaclass=StandIn):  # type: ignore[misc,type-arg]
    """A queue between tasks, first in, first out. Counterpart: `asyncio.Queue`.

    `put` waits while it is full, `get` while it is empty. On a loop that is not ironloop's, calling the class
    makes asyncio's own. Subclasses may override `_init(maxsize)`, `_put(item)` and `_get()`, which keep the
    items in `_queue`.

    Args:
        maxsize: how many items it holds at most; 0 or less is no limit.

    Raises:
        QueueFull: by `put_nowait`.
        QueueEmpty: by `get_nowait`.
        QueueShutDown: by all of them, and by `put` and `get`, after `shutdown` (from Python 3.13 on).
        RuntimeError: by a wait on another loop than that of an earlier wait.
        ValueError: by `task_done`, called more often than items were put.
    """

    __module__ = "ironloop"
    _stands_for = queues.Queue


class LifoQueue(Queue, queues.LifoQueue):  # type: ignore[misc,type-arg]
    """A queue that gives the item that was put last. Counterpart: `asyncio.LifoQueue`.

    Args:
        maxsize: how many items it holds at most; 0 or less is no limit.

    Raises:
        QueueFull, QueueEmpty, QueueShutDown, RuntimeError, ValueError: as by a `Queue`.
    """

    __module__ = "ironloop"
    _stands_for = queues.LifoQueue


class PriorityQueue(Queue, queues.PriorityQueue):  # type: ignore[misc,type-arg]
    """A queue that gives the least item, commonly of `(priority, data)`.

    Counterpart: `asyncio.PriorityQueue`.

    Args:
        maxsize: how many items it holds at most; 0 or less is no limit.

    Raises:
        TypeError: by `put` and `get` of items that cannot be compared.
        QueueFull, QueueEmpty, QueueShutDown, RuntimeError, ValueError: as by a `Queue`.
    """

    __module__ = "ironloop"
    _stands_for = queues.PriorityQueue


native_queues(Queue, LifoQueue, PriorityQueue)
