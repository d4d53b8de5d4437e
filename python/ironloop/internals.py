"""What asyncio's own code, and tools, read of a loop: the core's state under asyncio's private names."""

from __future__ import annotations

import selectors
import sys
from asyncio import tasks
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakSet

from ironloop import _ironloop


class Selector(selectors.BaseSelector):
    """Stands where asyncio keeps its selector: the native core watches descriptors, and waits, itself.

    A tool may put another `select` on it, or wrap it in something of its own: then the loop waits by that.
    """

    def __init__(self, core: Any) -> None:
        vars(self)["_core"] = core

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        self._core._note_selector()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._core._note_selector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Waits until a descriptor is ready, or the time is over; returns what is ready.

        The loop knows of it once `loop._process_events` gets it; until then it is reported again.
        """
        return [(self._key(fd), mask) for fd, mask in self._core._select(timeout)]

    def _key(self, fd: int) -> selectors.SelectorKey:
        reader, writer = self._core._watchers_of(fd) or (None, None)
        return Key(fd, fd, _events(reader, writer), (reader, writer))

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """What a descriptor is watched for; `data` are its handles. Raises KeyError if it is not watched."""
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        watchers = self._core._watchers_of(fd)
        if watchers is None:
            raise KeyError(f"{fileobj!r} is not registered")
        return selectors.SelectorKey(fileobj, fd, _events(*watchers), tuple(watchers))

    def get_map(self) -> Mapping[int, selectors.SelectorKey]:
        """What is watched by `add_reader` and `add_writer`."""
        return {fd: self.get_key(fd) for fd in self._core._watched()}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Refused, and so are `modify` and `unregister`."""
        raise NotImplementedError("ironloop watches descriptors by loop.add_reader and loop.add_writer")

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self.register(fileobj, 0)

    def close(self) -> None:
        """Nothing to do: the core closes what it has."""


class Key(selectors.SelectorKey):
    """What `Selector.select` reports."""

    __slots__ = ()


def _events(reader: Any, writer: Any) -> int:
    return (selectors.EVENT_READ if reader else 0) | (selectors.EVENT_WRITE if writer else 0)


class Handles(tuple[Any, ...]):
    """A look at the handles in the core, of the moment at which it was taken."""

    __slots__ = ()

    def clear(self) -> None:
        """asyncio empties its queues when a loop closes; the core has emptied them by itself."""


class Internals:
    """`_ready` and `_scheduled` of a loop, for reading, and how it waits by its selector."""

    __slots__ = ()

    def _note_selector(self) -> None:
        loop: Any = self
        selector = loop._selector
        loop._waits_itself = type(selector) is Selector and "select" not in vars(selector)

    def _process_events(self, event_list: Iterable[tuple[selectors.SelectorKey, int]]) -> None:
        loop: Any = self
        events = list(event_list)
        loop._take_back([(key.fd, mask) for key, mask in events if isinstance(key, Key)])
        others = [event for event in events if not isinstance(event[0], Key)]
        if others:
            super()._process_events(others)  # type: ignore[misc]

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


if sys.version_info < (3, 14):
    # Until then asyncio keeps all tasks in a set, by this name or that. Ours stand in a registry of the core
    # instead, which costs next to nothing.
    _NAME = "_scheduled_tasks" if hasattr(tasks, "_scheduled_tasks") else "_all_tasks"

    class _Tasks(WeakSet):  # type: ignore[type-arg]
        """asyncio's set of tasks, and those of the registry."""

        def __iter__(self) -> Iterator[Any]:
            yield from super().__iter__()
            yield from _ironloop.pending_tasks()

        def __len__(self) -> int:
            return super().__len__() + len(_ironloop.pending_tasks())

        def __contains__(self, task: object) -> bool:
            return super().__contains__(task) or task in _ironloop.pending_tasks()

    def show_tasks() -> None:
        """`asyncio.all_tasks()` sees ironloop's tasks too, from now on."""
        getattr(tasks, _NAME).__class__ = _Tasks
