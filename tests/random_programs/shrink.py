"""The smallest program that still does it: parts are dropped as long as it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from random_programs.program import Body, OnError, Operation, Program


def shrink(program: Program, fails: Callable[[Program], bool]) -> Program:
    """`fails` says whether a program still shows what is looked for; the given one does."""
    smaller: Program | None = program
    while smaller is not None:
        program = smaller
        smaller = next((candidate for candidate in _candidates(program) if fails(candidate)), None)
    return program


def _candidates(program: Program) -> Iterator[Program]:
    """Smaller programs, the smallest first. Each is smaller by some measure, so that shrinking ends."""
    for reliefs in _fewer(program.reliefs):
        yield replace(program, reliefs=reliefs)
    for tasks in _fewer(program.tasks):
        yield replace(program, tasks=tasks)
    for tasks in _one_smaller(program.tasks):
        yield replace(program, tasks=tasks)
    for reliefs in _one_smaller(program.reliefs):
        yield replace(program, reliefs=reliefs)
    if program.debug:
        yield replace(program, debug=False)


def _fewer(parts: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Without half of them, a quarter of them… one of them."""
    size = len(parts)
    while size > 0:
        for begin in range(0, len(parts), size):
            yield parts[:begin] + parts[begin + size :]
        size //= 2


def _one_smaller(bodies: tuple[Body, ...]) -> Iterator[tuple[Body, ...]]:
    for number, body in enumerate(bodies):
        for smaller in _smaller_bodies(body):
            yield (*bodies[:number], smaller, *bodies[number + 1 :])


def _smaller_bodies(body: Body) -> Iterator[Body]:
    operations = body.operations
    for fewer in _fewer(operations):
        yield Body(fewer)
    for number, operation in enumerate(operations):
        before, after = operations[:number], operations[number + 1 :]
        # The block without what is around it.
        for inner in _inner(operation.arguments):
            if inner.operations:
                yield Body(before + inner.operations + after)
        for smaller in _smaller_operations(operation):
            yield Body((*before, smaller, *after))


def _smaller_operations(operation: Operation) -> Iterator[Operation]:
    for arguments in _smaller(operation.arguments):
        yield replace(operation, arguments=arguments)
    if operation.on_error is not OnError.CARRY_ON:
        yield replace(operation, on_error=OnError.CARRY_ON)


def _smaller(argument: Any, depth: int = 0) -> Iterator[Any]:
    if isinstance(argument, Body):
        yield from _smaller_bodies(argument)
    elif isinstance(argument, tuple):
        # The arguments of an operation are as many as it takes; a tuple among them may lose some.
        if depth == 1 and not (argument and isinstance(argument[0], str)):
            for number in range(len(argument)):
                yield argument[:number] + argument[number + 1 :]
        for number, part in enumerate(argument):
            for smaller in _smaller(part, depth + 1):
                yield (*argument[:number], smaller, *argument[number + 1 :])


def _inner(argument: Any) -> Iterator[Body]:
    if isinstance(argument, Body):
        yield argument
    elif isinstance(argument, tuple):
        for part in argument:
            yield from _inner(part)
