"""`asyncio.all_tasks()` sees ironloop's tasks too.

Up to Python 3.13 asyncio keeps all tasks in a `WeakSet`. Ours stand in a registry of the native core instead,
which costs next to nothing; the set shows them as if they were its own. From 3.14 on they stand where
asyncio's do.
"""

from __future__ import annotations

import sys
from asyncio import tasks
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

from ironloop import _ironloop

_HAS_WEAK_SET = sys.version_info < (3, 14)
_NAME = "_scheduled_tasks" if hasattr(tasks, "_scheduled_tasks") else "_all_tasks"


class _Tasks(WeakSet[Any]):
    """asyncio's set of tasks, and those of the registry."""

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()
        yield from _ironloop.pending_tasks()

    def __len__(self) -> int:
        return super().__len__() + len(_ironloop.pending_tasks())

    def __contains__(self, task: object) -> bool:
        return super().__contains__(task) or task in _ironloop.pending_tasks()


def show() -> None:
    """Has asyncio's set show the registry, from now on."""
    if _HAS_WEAK_SET:
        getattr(tasks, _NAME).__class__ = _Tasks
