"""Groups of tasks: `TaskGroup`."""

from __future__ import annotations

import asyncio.taskgroups

from ironloop._ironloop import native_task_group
from ironloop.stand_in import StandIn

__all__ = ("TaskGroup",)


@native_task_group
class TaskGroup(asyncio.taskgroups.TaskGroup, metaclass=StandIn):
    """An `async with` block that ends when all its tasks have ended; if one fails, the others are cancelled.

    `group.create_task(coro)` within the block makes a task of it. Counterpart: `asyncio.TaskGroup`.

    Raises:
        BaseExceptionGroup: of the errors of the tasks and of the block; an ExceptionGroup if all are
            Exceptions. Cancellations of tasks are none.
        KeyboardInterrupt, SystemExit: from a task or the block, as they are, once the others have ended.
        RuntimeError: by `create_task` before the block, after its end, or while the group shuts down; if the
            block is entered again.
    """

    __module__ = "ironloop"
    _stands_for = asyncio.taskgroups.TaskGroup
