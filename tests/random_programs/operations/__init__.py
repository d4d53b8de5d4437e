"""What programs can do. Each operation is a function `(scope, *arguments)`; what it returns is noted."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from random_programs.arguments import Argument, Shared

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Definition:
    """An operation: what it takes, and how often it comes, relative to the others."""

    function: Callable[..., Any]
    arguments: tuple[Argument, ...]
    weight: float
    is_async: bool
    # Whether somebody else may have waited for it.
    helps: bool
    # What it is about, as `generate.FOCUSES` names it; None if that is nothing of them, or several.
    about: str | None


OPERATIONS: dict[str, Definition] = {}


def operation(
    *arguments: Argument,
    weight: float = 1,
    helps: bool = False,
    since: tuple[int, int] = (3, 11),
    about: str | None = None,
) -> Callable[[_Function], _Function]:
    """Defines an operation under its function's name, if the running Python has what it needs.

    Unless it says what it is `about`, that is the one kind of shared object that it takes.
    """
    kinds = {argument.kind for argument in arguments if isinstance(argument, Shared)}
    if about is None and len(kinds) == 1:
        [about] = kinds

    def define(function: _Function) -> _Function:
        if sys.version_info >= since:
            is_async = inspect.iscoroutinefunction(function)
            OPERATIONS[function.__name__] = Definition(function, arguments, weight, is_async, helps, about)
        return function

    return define


for _name in ("tasks", "scheduling", "futures", "queues", "locks", "combinators", "coroutines", "blocks"):
    import_module(f"{__name__}.{_name}")
