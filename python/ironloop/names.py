"""ironloop's functions and classes behind asyncio's own names, and asyncio's back again.

A name is exchanged in the package `asyncio` and in each of its modules that has it. What is put there looks
at the loop that runs: on one that is not ironloop's it is what asyncio had. So a name may stay exchanged
longer than a run of ours lasts, and in threads that know nothing of it, without harm.

Tools wrap the same names, and methods of the same classes. What they have put there stays: in a proxy
(wrapt's) what it is around is exchanged; a function of a tool's own goes on calling what it has got hold of.
"""

from __future__ import annotations

import contextlib
import copyreg
import inspect
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from ironloop.native import is_wanted

# Where asyncio defines what, for all that ironloop may have under the same name.
_DEFINED_IN = {
    "locks": ("Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"),
    "queues": ("LifoQueue", "PriorityQueue", "Queue"),
    "streams": (
        "StreamReader",
        "StreamReaderProtocol",
        "StreamWriter",
        "open_connection",
        "open_unix_connection",
        "start_server",
        "start_unix_server",
    ),
    "taskgroups": ("TaskGroup",),
    "tasks": (
        "as_completed",
        "create_task",
        "ensure_future",
        "gather",
        "run_coroutine_threadsafe",
        "shield",
        "sleep",
        "wait",
        "wait_for",
    ),
    "threads": ("to_thread",),
    # Not `Timeout`: asyncio's own functions make it, where another loop runs.
    "timeouts": ("timeout", "timeout_at"),
}
_MODULES = [module for name, module in sys.modules.items() if name.split(".")[0] == "asyncio"]
# asyncio's own, whatever a tool may have put around it by now.
_STOCK = {
    name: inspect.unwrap(vars(sys.modules[f"asyncio.{module}"])[name])
    for module, names in _DEFINED_IN.items()
    for name in names
}


class Name:
    """One of asyncio's names: the modules that have it, asyncio's own object, and ironloop's."""

    def __init__(self, name: str, stock: Any, ours: Any) -> None:
        self.name, self.stock, self.ours = name, stock, ours
        self.modules = [module for module in _MODULES if name in vars(module)]

    def put(self) -> None:
        """Where it is asyncio's it becomes ironloop's."""
        for module in self.modules:
            _exchange(module, self.name, self.stock, self.ours)

    def restore(self) -> None:
        """Where it is ironloop's it becomes asyncio's."""
        for module in self.modules:
            _exchange(module, self.name, self.ours, self.stock)


class ClassName(Name):
    """The name of a class, whose methods a tool may wrap."""

    def __init__(self, name: str, stock: Any, ours: Any) -> None:
        super().__init__(name, stock, ours)
        self._methods = [
            _Method(name, function, found)
            for name, function in vars(stock).items()
            if (found := _held(ours, name)) is not function and callable(function)
        ]

    def put(self) -> None:
        # A class of asyncio's that a tool has changed stays: in ours its work would not be seen.
        if not any(method.is_changed(self.stock) for method in self._methods):
            super().put()
            # Pickle would look for its instances' class under its name.
            copyreg.dispatch_table.setdefault(self.stock, _reduce)

    def restore(self) -> None:
        super().restore()
        if copyreg.dispatch_table.get(self.stock) is _reduce:
            del copyreg.dispatch_table[self.stock]
        for method in self._methods:
            method.give_back(self.ours, self.stock)


def _reduce(instance: Any) -> tuple[Any, ...]:
    """How an instance of a class of asyncio's own is copied and pickled."""
    return make_stock, (type(instance).__name__,), *instance.__reduce_ex__(2)[2:]


def make_stock(name: str) -> Any:
    """An instance of asyncio's own class of a name, without its state; this is in pickles."""
    return object.__new__(_STOCK[name])


class _Method:
    """A method of asyncio's class, as it was at first, and the one of ironloop's class in its place."""

    def __init__(self, name: str, stock: Any, ours: Any) -> None:
        self._name, self._ours = name, ours
        self._stock = inspect.unwrap(stock)
        self._code = getattr(self._stock, "__code__", None)

    def is_changed(self, stock_class: type) -> bool:
        # Some tools (Datadog's) leave the function where it is, and exchange its code.
        code = getattr(self._stock, "__code__", None)
        return vars(stock_class).get(self._name) is not self._stock or code is not self._code

    def give_back(self, our_class: type, stock_class: type) -> None:
        """What a tool has put around ours goes to asyncio's class, where the tool looks for it now."""
        held = _held(our_class, self._name)
        if held is self._ours:
            return
        delattr(our_class, self._name)
        if _held(our_class, self._name) is not self._ours:
            setattr(our_class, self._name, self._ours)
        setattr(stock_class, self._name, held)
        _exchange(stock_class, self._name, self._ours, self._stock)


def _held(owner: type, name: str) -> Any:
    """What a class has or inherits, as it stands there: `inspect.getattr_static` takes its time."""
    return next((vars(base)[name] for base in owner.__mro__ if name in vars(base)), None)


def _exchange(owner: Any, name: str, old: Any, new: Any) -> None:
    """Exchanges an attribute, or what the proxies in it are around."""
    held = vars(owner).get(name)
    if held is old:
        setattr(owner, name, new)
        return
    # A proxy's class has this attribute, and calls what is set there. To a function it would be a mere note.
    while hasattr(type(held), "__wrapped__"):
        if held.__wrapped__ is old:
            held.__wrapped__ = new
            return
        held = held.__wrapped__


_lock = threading.RLock()
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
# How many have put the names and not restored them yet.
_users = 0
_names: list[Name] = []


def _all() -> list[Name]:
    if not _names:
        import ironloop

        for name, stock in _STOCK.items():
            ours = vars(ironloop).get(name, stock)
            # Some are asyncio's there as well.
            if inspect.unwrap(ours) is not stock:
                _names.append((ClassName if isinstance(stock, type) else Name)(name, stock, ours))
    return _names


def put() -> None:
    """Puts ironloop's objects behind asyncio's names, until `restore` was called as often as this."""
    global _users
    with _lock:
        _users += 1
        # Each time: what a tool held back the last time may have become asyncio's own again.
        for name in _all():
            name.put()


def restore() -> None:
    """Takes one `put` back; the last one gives asyncio its own objects back."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            for name in _all():
                name.restore()


@contextlib.contextmanager
def exchanged(native: bool | None = None) -> Iterator[None]:
    """The names are ironloop's in a `with` block, unless `native` (or the environment) says no."""
    if not is_wanted(native):
        yield
        return
    put()
    try:
        yield
    finally:
        restore()
