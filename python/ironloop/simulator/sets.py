"""Sets that libraries walk, of objects without a hash of their own: in the order of addresses in memory, so
that each run would go another way. In a simulation they keep the order in which they were filled.

The classes that make them are changed once in a process, when they are first seen; outside of a simulation,
and of objects that were made there, nothing is other than before.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
from collections.abc import Callable, Iterator, MutableSet
from typing import Any

# By package: the module, the class, and the attribute that is a set once it is made.
_WALKED = {
    # Which of a group's scopes is cancelled first.
    "anyio": ("anyio._backends._asyncio", "CancelScope", "_child_scopes"),
    # Which connection is closed first.
    "redis": ("redis.asyncio.connection", "ConnectionPool", "_in_use_connections"),
    "uvicorn": ("uvicorn.server", "ServerState", "connections"),
    "websockets": ("websockets.asyncio.server", "Server", "all_connections"),
}
# Those that were not met.
_pending = dict(_WALKED)


class Ordered(MutableSet[Any]):
    """A set in the order in which it was filled."""

    def __init__(self, members: Any = ()) -> None:
        self._members = dict.fromkeys(members)

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: Any) -> None:
        self._members[member] = None

    def discard(self, member: Any) -> None:
        self._members.pop(member, None)


def order_known(simulates: Callable[[], bool]) -> None:
    """Of the packages that are imported."""
    for package in [package for package in _pending if package in sys.modules]:
        order(package, simulates)


def order(package: str, simulates: Callable[[], bool]) -> None:
    """Of one package, which is being imported or is there; `simulates` tells of the calling thread."""
    if package not in _pending:
        return
    module, class_name, attribute = _pending.pop(package)
    # Another release of it may have another class, or not be for this Python.
    with contextlib.suppress(ImportError, AttributeError):
        made = getattr(importlib.import_module(module), class_name)
        made.__init__ = _filled_in_order(made.__init__, attribute, simulates)


def _filled_in_order(init: Any, attribute: str, simulates: Callable[[], bool]) -> Any:
    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **named: Any) -> None:
        init(self, *args, **named)
        if simulates() and type(getattr(self, attribute, None)) is set:
            setattr(self, attribute, Ordered(getattr(self, attribute)))

    return __init__
