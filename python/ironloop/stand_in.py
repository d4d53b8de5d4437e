"""What ironloop's classes that stand behind asyncio's names have in common."""

from __future__ import annotations

from abc import ABCMeta
from typing import Any


class StandIn(ABCMeta):
    """The metaclass of a class that stands for one of asyncio's, `_stands_for`, of which it is a subclass.

    To `isinstance` and `issubclass` both are the same, so a check holds whichever of the two a program has got
    hold of, and whichever made the object. (It is an `ABCMeta` so that programs can mix abstract classes in.)
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        stock = cls.__dict__.get("_stands_for")
        return super().__instancecheck__(instance) if stock is None else isinstance(instance, stock)

    def __subclasscheck__(cls, subclass: type) -> bool:
        stock = cls.__dict__.get("_stands_for")
        return super().__subclasscheck__(subclass) if stock is None else issubclass(subclass, stock)
