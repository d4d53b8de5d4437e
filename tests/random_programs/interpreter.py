"""Runs the bodies of a program."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from random_programs.operations import OPERATIONS
from random_programs.program import Body, Operation, name_of
from random_programs.world import World


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an operation stands: its path from the program's task on, and the blocks around it."""

    world: World
    path: str
    timeouts: tuple[Any, ...] = ()
    groups: tuple[Any, ...] = ()

    def at(self, step: str) -> Scope:
        return replace(self, path=self.path + step)

    def note(self, event: str, detail: Any = None) -> None:
        self.world.note(self.path, event, detail)


@dataclass(frozen=True, slots=True)
class Part:
    """A body in its scope: to be run as a task, in a block, or as a callback."""

    scope: Scope
    body: Body

    def inside(self, **blocks: tuple[Any, ...]) -> Part:
        return replace(self, scope=replace(self.scope, **blocks))

    def again(self, number: int) -> Part:
        """For a body that is run several times."""
        return replace(self, scope=self.scope.at(f"#{number}"))

    async def run(self) -> str:
        """In the task that awaits it."""
        for number, operation in enumerate(self.body.operations):
            scope = self.scope.at(str(number))
            with _Watch(scope, operation) as watch:
                function = OPERATIONS[operation.name].function
                result = function(scope, *_arguments(scope, operation))
                if OPERATIONS[operation.name].is_async:
                    scope.note("begins")
                    result = await result
                watch.result = result
        return self.scope.path

    async def coroutine(self) -> str:
        """As a task of its own."""
        task = asyncio.current_task()
        self.scope.world.register(task, self.scope.path)
        self.scope.note("starts", task.get_name())
        try:
            return await self.run()
        finally:
            self.scope.note("ends")

    def call(self) -> None:
        """As a callback: a body of operations that do not wait."""
        self.scope.note("called")
        for number, operation in enumerate(self.body.operations):
            scope = self.scope.at(str(number))
            with _Watch(scope, operation) as watch:
                watch.result = OPERATIONS[operation.name].function(scope, *_arguments(scope, operation))


class _Watch:
    """Notes how an operation ended, and swallows what the operation is to swallow."""

    def __init__(self, scope: Scope, operation: Operation) -> None:
        self.result: Any = None
        self._scope = scope
        self._operation = operation

    def __enter__(self) -> _Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            self._scope.note(self._operation.name, self.result)
            return False
        self._scope.note(f"{self._operation.name} raises", error)
        return self._operation.on_error.swallows(error)


def _arguments(scope: Scope, operation: Operation) -> Iterator[Any]:
    letters = map(name_of, range(26))

    def part(body: Body) -> Part:
        return Part(scope.at(next(letters)), body)

    wanted = OPERATIONS[operation.name].arguments
    return (
        argument.resolve(scope.world, given, part)
        for argument, given in zip(wanted, operation.arguments, strict=True)
    )
