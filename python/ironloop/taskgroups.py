"""Groups of tasks: `TaskGroup`."""

from __future__ import annotations

import asyncio.taskgroups

from ironloop._ironloop import equip_task_group
from ironloop.stand_in import StandIn

__all__ = ("TaskGroup",)


@equip_task_group
class TaskGroup(asyncio.taskgroups.TaskGroup, metaclass=StandIn):
    """An `async with` block that ends when all its tasks have ended; if one fails, the others are cancelled.

    Errors come as an `ExceptionGroup`. (asyncio: TaskGroup)
    """

    __module__ = "ironloop"
    _stands_for = asyncio.taskgroups.TaskGroup
