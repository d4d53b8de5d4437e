"""ironloop's functions and classes behind asyncio's own names, and asyncio's back again.

Each loop of ours puts them when it is made, and takes that back when it is closed; so does `install`, until
`uninstall`. A name is exchanged in the package `asyncio` and in each of its modules that has it. What is put
there looks at the loop that runs: on one that is not ironloop's it is what asyncio had. So a name may stay
exchanged longer than a run of ours lasts, and in threads that know nothing of it, without harm.

Tools wrap the same names, and methods of the same classes. What they have put there stays: in a proxy
(wrapt's) what it is around is exchanged; a function of a tool's own goes on calling what it has got hold of.
"""

from __future__ import annotations

import copyreg
import functools
import inspect
import os
import sys
import threading
from typing import Any

from ironloop import _ironloop, stand_in

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
    "subprocess": ("Process",),
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
_MODULES = [
    module for name, module in sys.modules.items() if name == "asyncio" or name.startswith("asyncio.")
]


def _unwrap(function: Any) -> Any:
    # `inspect.unwrap` takes its time, and there are hundreds of them; mostly there is nothing to unwrap.
    return inspect.unwrap(function) if hasattr(function, "__wrapped__") else function


# asyncio's own, whatever a tool may have put around it by now.
_STOCK = {
    name: _unwrap(vars(sys.modules[f"asyncio.{module}"])[name])
    for module, names in _DEFINED_IN.items()
    for name in names
}


# A method of one of asyncio's classes, as it was at first, and what ironloop's class has in its place: the
# attributes of both classes, the name, asyncio's class and method, its code (some tools, Datadog's, leave the
# function where it is, and exchange that), our class and method. A tuple: there are a hundred, and each short
# program makes them.
_Method = tuple[Any, Any, str, type, Any, Any, type, Any]


def _give_back(method: _Method) -> None:
    """What a tool has put around ours goes to asyncio's class, where the tool looks for it now."""
    _, own, name, stock_class, stock, _, our_class, ours = method
    held = own[name]
    delattr(our_class, name)
    if next((vars(base)[name] for base in our_class.__mro__ if name in vars(base)), None) is not ours:
        setattr(our_class, name, ours)
    setattr(stock_class, name, held)
    _exchange_inside(held, ours, stock)


class _Tables:
    """All that is exchanged. Each short run goes through them twice: what is as it was left costs a look."""

    def __init__(self) -> None:
        import ironloop

        # Where a name stands, the name, what asyncio has there, and what ironloop has.
        self.places: list[tuple[dict[str, Any], str, Any, Any]] = []
        # asyncio's classes.
        self.classes: list[type] = []
        self.methods: list[_Method] = []
        both: dict[str, tuple[Any, Any]] = {}
        for name, stock in _STOCK.items():
            ours = vars(ironloop).get(name, stock)
            # Some are asyncio's there as well.
            if _unwrap(ours) is not stock:
                both[name] = stock, ours
                if isinstance(stock, type):
                    self._add_class(stock, ours)
        for module in _MODULES:
            place = vars(module)
            self.places += [(place, name, *both[name]) for name in both.keys() & place.keys()]

    def _add_class(self, stock: type, ours: type) -> None:
        self.classes.append(stock)
        own, our_own = vars(stock), vars(ours)
        before = [vars(base) for base in ours.__mro__[: ours.__mro__.index(stock)]]
        for name, function in own.items():
            # Most are inherited, which the interpreter's own look-up says at once.
            if getattr(ours, name, None) is function or not callable(function):
                continue
            for attributes in before:
                if name in attributes:
                    first = _unwrap(function)
                    code = getattr(first, "__code__", None)
                    self.methods.append((own, our_own, name, stock, first, code, ours, attributes[name]))
                    break

    def put(self) -> None:
        """Where it is asyncio's it becomes ironloop's."""
        # A class of asyncio's that a tool has changed stays: in ours its work would not be seen.
        changed = {
            stock_class
            for own, _, name, stock_class, stock, code, _, _ in self.methods
            if own.get(name) is not stock or (code is not None and stock.__code__ is not code)
        }
        for place, name, stock, ours in self.places:
            held = place.get(name)
            if held is stock:
                if not changed or stock not in changed:
                    place[name] = ours
            elif held is not ours:
                _exchange_inside(held, stock, ours)
        for stock_class in self.classes:
            if stock_class not in changed:
                # Pickle would look for its instances' class under its name.
                copyreg.dispatch_table.setdefault(stock_class, _reduce)

    def restore(self) -> None:
        """Where it is ironloop's it becomes asyncio's."""
        for place, name, stock, ours in self.places:
            held = place.get(name)
            if held is ours:
                place[name] = stock
            elif held is not stock:
                _exchange_inside(held, ours, stock)
        for stock_class in self.classes:
            if copyreg.dispatch_table.get(stock_class) is _reduce:
                del copyreg.dispatch_table[stock_class]
        for method in self.methods:
            own, name, ours = method[1], method[2], method[7]
            if own.get(name, ours) is not ours:
                _give_back(method)


def _exchange_inside(held: Any, old: Any, new: Any) -> None:
    """Exchanges what the proxies in `held` are around."""
    # A proxy's class has this attribute, and calls what is set there. To a function it would be a mere note.
    while hasattr(type(held), "__wrapped__"):
        if held.__wrapped__ is old:
            held.__wrapped__ = new
            return
        held = held.__wrapped__


def _reduce(instance: Any) -> tuple[Any, ...]:
    """How an instance of a class of asyncio's own is copied and pickled."""
    return _Make(type(instance)), (), *instance.__reduce_ex__(2)[2:]


class _Make:
    """Makes instances of a class of asyncio's own, without their state. No pickle has its name."""

    def __init__(self, stock: type) -> None:
        self._stock = stock

    def __call__(self) -> Any:
        return object.__new__(self._stock)

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial, (copyreg.__newobj__, _Class(self._stock))


class _Class:
    """In pickles: a class of asyncio's own, whatever stands behind its name when they are loaded."""

    def __init__(self, stock: type) -> None:
        self._stock = stock

    def __reduce__(self) -> tuple[Any, ...]:
        import ironloop

        named = vars(ironloop)[self._stock.__name__]
        return getattr, (named, "_stands_for", named)


_lock = threading.RLock()
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
# How many have put the names and not restored them yet.
_users = 0
_tables: _Tables | None = None


def put() -> None:
    """Puts ironloop's objects behind asyncio's names, until `restore` was called as often as this."""
    global _users, _tables
    with _lock:
        _users += 1
        if _tables is None:
            _tables = _Tables()
        # Each time: what a tool held back the last time may have become asyncio's own again.
        _tables.put()
        _ironloop.answer_by_name(True)
    if "dill" in sys.modules:
        stand_in.teach_dill()


def restore() -> None:
    """Takes one `put` back; the last one gives asyncio its own objects back."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0 and _tables is not None:
            _tables.restore()
            _ironloop.answer_by_name(False)
