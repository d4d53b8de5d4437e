"""The loop classes that a program may name, and ironloop's in their place.

For `python -m ironloop` and `IRONLOOP=1` (`takeover.py`): many a program, or its server, names
`asyncio.SelectorEventLoop`, `asyncio.EventLoop`, the default policy or uvloop, for want of something better.
What a program wants on purpose it gets: a subclass of its own stands on the class that it names, a selector
is for asyncio's loop.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import unix_events
from typing import Any, Protocol

from ironloop.loop import Loop

_STOCK = asyncio.SelectorEventLoop


class NamedLoop(type(Protocol)):  # type: ignore[misc]
    """The metaclass of a class that stands for another class of loops, `_stands_for`, and makes ironloop's.

    Its base is the metaclass of protocols, an `ABCMeta`: a program's subclass may have such bases too.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **more: Any) -> Any:
        named = tuple(base._stands_for if isinstance(base, NamedLoop) else base for base in bases)
        if named != bases:
            return type(name, named, namespace, **more)
        return super().__new__(cls, name, bases, namespace, **more)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if any(argument is not None for argument in (*args, *kwargs.values())):
            return cls._stands_for(*args, **kwargs)
        return Loop()

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, (cls._stands_for, Loop))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, (cls._stands_for, Loop))


class SelectorEventLoop(Loop, metaclass=NamedLoop):
    """ironloop's loop; with a selector, asyncio's. Counterpart: `asyncio.SelectorEventLoop`."""

    __slots__ = ()
    _stands_for = _STOCK


_exchanged: list[tuple[Any, str, Any, Any]] = []


def put() -> None:
    """What asyncio's names of loops mean is ironloop's, until `restore`."""
    for module in (asyncio, unix_events):
        for name in ("SelectorEventLoop", "EventLoop"):
            _exchange(module, name, _STOCK, SelectorEventLoop)
    _exchange(unix_events._UnixDefaultEventLoopPolicy, "_loop_factory", _STOCK, Loop)


def put_in_uvloop() -> None:
    """uvloop's `new_event_loop`, `run`, `install` and `EventLoopPolicy` make what stands as its `Loop`."""
    uvloop = sys.modules["uvloop"]
    stock = vars(uvloop).get("Loop")
    if isinstance(stock, type) and not isinstance(stock, NamedLoop):
        body = {"__doc__": "ironloop's loop.", "__module__": __name__, "__slots__": (), "_stands_for": stock}
        _exchange(uvloop, "Loop", stock, NamedLoop("Loop", (Loop,), body))


def restore() -> None:
    """Each name means what it did, unless somebody else has exchanged it since."""
    while _exchanged:
        owner, name, stock, ours = _exchanged.pop()
        if vars(owner).get(name) is ours:
            setattr(owner, name, stock)


def _exchange(owner: Any, name: str, stock: Any, ours: Any) -> None:
    if vars(owner).get(name) is stock:
        setattr(owner, name, ours)
        _exchanged.append((owner, name, stock, ours))
