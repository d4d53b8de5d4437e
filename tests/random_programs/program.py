"""Programs as data: trees of operations."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class OnError(enum.Enum):
    """What a task does when an operation raises."""

    RAISE = "raises"
    # Errors are noted and the task carries on; a cancellation ends it.
    CARRY_ON = "carries on"
    # A cancellation is swallowed too.
    STUBBORN = "stubborn"

    def swallows(self, error: BaseException) -> bool:
        if self is OnError.RAISE or isinstance(error, GeneratorExit):
            return False
        return self is OnError.STUBBORN or isinstance(error, Exception)


@dataclass(frozen=True, slots=True)
class Operation:
    """One step: the name of an operation, and its arguments (numbers, strings, bodies, or tuples of them)."""

    name: str
    arguments: tuple[Any, ...]
    on_error: OnError = OnError.CARRY_ON


@dataclass(frozen=True, slots=True)
class Body:
    """What one task, callback or block does, in order."""

    operations: tuple[Operation, ...] = ()

    def __len__(self) -> int:
        return sum(1 + sum(map(len, _bodies(operation.arguments))) for operation in self.operations)


@dataclass(frozen=True, slots=True)
class Program:
    """The tasks that are started at first, and the shared objects: kind and size of each.

    Each time that all wait for one another, the next of the reliefs is run as a task; after the last one,
    what is left is cancelled.
    """

    tasks: tuple[Body, ...]
    reliefs: tuple[Body, ...]
    queues: tuple[tuple[str, int], ...]
    semaphores: tuple[tuple[str, int], ...]
    barriers: tuple[int, ...]
    # How many there are of each of the rest. With one of each, everybody wants the same.
    copies: int = 2
    debug: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.tasks + self.reliefs))

    def __str__(self) -> str:
        shared = f"queues={self.queues} semaphores={self.semaphores} barriers={self.barriers}"
        head = f"{shared} copies={self.copies} debug={self.debug}"
        lines = [head]
        for kind, bodies in (("task", self.tasks), ("relief", self.reliefs)):
            for number, body in enumerate(bodies):
                lines += [f"{kind} {name_of(number)}:", *_lines(body, "  ")]
        return "\n".join(lines)


def name_of(number: int) -> str:
    """Of a body among the bodies of one operation: a letter; operations are numbered."""
    return chr(ord("a") + number)


def _bodies(argument: Any) -> Iterator[Body]:
    if isinstance(argument, Body):
        yield argument
    elif isinstance(argument, tuple):
        for part in argument:
            yield from _bodies(part)


def _lines(body: Body, indent: str) -> Iterator[str]:
    for number, operation in enumerate(body.operations):
        how = "" if operation.on_error is OnError.CARRY_ON else f"  # {operation.on_error.value}"
        yield f"{indent}{number} {operation.name}{_text(operation.arguments)}{how}"
        for place, inner in enumerate(_bodies(operation.arguments)):
            if inner.operations:
                yield f"{indent}  {name_of(place)}:"
                yield from _lines(inner, indent + "    ")


def _text(argument: Any) -> str:
    if isinstance(argument, Body):
        return "<body>" if argument.operations else "<nothing>"
    if isinstance(argument, tuple):
        return f"({', '.join(map(_text, argument))})"
    return repr(argument)
