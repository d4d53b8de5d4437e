"""What programs can do. Each operation is a function `(scope, *arguments)`; what it returns is noted."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from random_programs.arguments import Argument

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


OPERATIONS: dict[str, Definition] = {}


def operation(
    *arguments: Argument, weight: float = 1, helps: bool = False, since: tuple[int, int] = (3, 11)
) -> Callable[[_Function], _Function]:
    """Defines an operation under its function's name, if the running Python has what it needs."""

    def define(function: _Function) -> _Function:
        if sys.version_info >= since:
            is_async = inspect.iscoroutinefunction(function)
            OPERATIONS[function.__name__] = Definition(function, arguments, weight, is_async, helps)
        return function

    return define


for _name in ("tasks", "scheduling", "futures", "queues", "locks", "combinators", "coroutines", "blocks"):
    import_module(f"{__name__}.{_name}")
