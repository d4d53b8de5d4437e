"""What ironloop's classes that stand behind asyncio's names have in common."""

from __future__ import annotations

import copyreg
import inspect
import sys
from abc import ABCMeta
from types import GetSetDescriptorType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, Protocol

from ironloop._ironloop import runs_elsewhere


class _Nameless(type):
    """The class of `StandIn`, which no pickle names: a class is made anew with whatever its bases have."""


class StandIn(type(Protocol), metaclass=_Nameless):  # type: ignore[misc]
    """The metaclass of a class that stands for one of asyncio's, `_stands_for`, of which it is a subclass.

    To `isinstance` and `issubclass` both are the same, so a check holds whichever of the two a program has
    got hold of, and whichever made the object. Where another loop runs, calling the class makes an object of
    asyncio's; a program's subclass makes its own everywhere.

    Its base is the metaclass of protocols, an `ABCMeta`, so that programs can mix protocols and abstract
    classes in.
    """

    # To type checkers a call makes what the class says.
    if not TYPE_CHECKING:
        # Not in a `__new__`: that would have to know what the `__init__` of every subclass takes.
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            if runs_elsewhere() and (stock := cls.__dict__.get("_stands_for")):
                return stock(*args, **kwargs)
            return super().__call__(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        stock = cls.__dict__.get("_stands_for")
        return ABCMeta.__instancecheck__(cls, instance) if stock is None else isinstance(instance, stock)

    def __subclasscheck__(cls, subclass: type) -> bool:
        stock = cls.__dict__.get("_stands_for")
        return ABCMeta.__subclasscheck__(cls, subclass) if stock is None else issubclass(subclass, stock)

    @property
    def __signature__(cls) -> inspect.Signature:
        # The native core's `__new__` takes whatever comes; what the class takes is what asyncio's takes.
        for base in cls.__mro__:
            if stock := base.__dict__.get("_stands_for"):
                return inspect.signature(stock)
            if own := base.__dict__.get("__new__") or base.__dict__.get("__init__"):
                signature = inspect.signature(inspect.unwrap(getattr(own, "__func__", own)))
                return signature.replace(parameters=list(signature.parameters.values())[1:])
        raise AttributeError("__signature__")


def _reduce(cls: StandIn) -> str | tuple[Any, ...]:
    """Pickled it is a name of asyncio's: whatever stands there when it is unpickled."""
    stock = vars(cls).get("_stands_for")
    if stock is None:
        return str(cls.__qualname__)
    import pkgutil  # Not before somebody pickles: start-up does without.

    return pkgutil.resolve_name, (f"{stock.__module__}:{stock.__qualname__}",)


copyreg.pickle(StandIn, _reduce)
copyreg.pickle(_Nameless, lambda metaclass: (type, (type,)))  # type: ignore[arg-type,return-value]


def teach_dill() -> None:
    """dill, once it is imported, saves classes without asking `copyreg`; so it is told apart."""
    dispatch = sys.modules["dill"].Pickler.dispatch
    if StandIn in dispatch:
        return
    save_class = dispatch[type]

    def save(pickler: Any, cls: Any) -> None:
        if vars(cls).get("_stands_for") is None:
            save_class(pickler, cls)
        else:
            pickler.save_reduce(*_reduce(cls), obj=cls)

    dispatch[StandIn] = save
    dispatch[_Nameless] = lambda pickler, metaclass: pickler.save_reduce(type, (type,), obj=metaclass)


# The value of a slot that is empty.
_MISSING = object()


class Copyable:
    """Copies and pickles of objects whose state is in a native core; asyncio's have theirs in `__dict__`."""

    __slots__ = ()

    def __getstate__(self) -> dict[str, Any]:
        held = {name: getattr(self, name, _MISSING) for name in _outside_of_dict(type(self))}
        return {name: value for name, value in held.items() if value is not _MISSING} | vars(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # By the protocols before, what is made first is a bare core.
        return super().__reduce_ex__(max(protocol, 2))


def _outside_of_dict(cls: type) -> set[str]:
    """The attributes that the core, or `__slots__`, have."""
    kinds = (GetSetDescriptorType, MemberDescriptorType)
    members = (item for base in cls.__mro__ for item in vars(base).items())
    return {name for name, member in members if isinstance(member, kinds) and not name.startswith("__")}
