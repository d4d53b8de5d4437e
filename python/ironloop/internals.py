"""What asyncio's own code, and tools, read of a loop: the core's state under asyncio's private names."""

from __future__ import annotations

import selectors
from collections.abc import Iterable
from typing import Any


class Selector:
    """Stands where asyncio keeps its selector: the native core watches descriptors itself."""

    def __init__(self, core: Any) -> None:
        self._core = core

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """What a descriptor is watched for; `data` are its handles. Raises KeyError if it is not watched."""
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        watchers = self._core._watchers_of(fd)
        if watchers is None:
            raise KeyError(f"{fileobj!r} is not registered")
        reader, writer = watchers
        events = (selectors.EVENT_READ if reader else 0) | (selectors.EVENT_WRITE if writer else 0)
        return selectors.SelectorKey(fileobj, fd, events, (reader, writer))

    def close(self) -> None:
        """Nothing to do: the core closes what it has."""


class Handles(tuple[Any, ...]):
    """A look at the handles in the core, of the moment at which it was taken."""

    __slots__ = ()

    def clear(self) -> None:
        """asyncio empties its queues when a loop closes; the core has emptied them by itself."""


class Internals:
    """`_ready` and `_scheduled` of a loop, for reading."""

    __slots__ = ()

    @property
    def _ready(self) -> Handles:
        loop: Any = self
        return Handles(loop._ready_handles())

    @_ready.setter
    def _ready(self, handles: Iterable[Any]) -> None:
        _only_empty(handles)

    @property
    def _scheduled(self) -> Handles:
        loop: Any = self
        return Handles(loop._scheduled_handles())

    @_scheduled.setter
    def _scheduled(self, handles: Iterable[Any]) -> None:
        _only_empty(handles)


def _only_empty(handles: Iterable[Any]) -> None:
    # asyncio makes its queues with the loop.
    if list(handles):
        raise AttributeError("handles are scheduled by call_soon and call_at")
