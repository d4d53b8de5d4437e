"""What operations take: each kind of argument knows how it is made up and what it stands for in a run.

Indices are taken modulo what there is, so that dropping a part of a program leaves a program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from random_programs.program import Body

# Makes a part of a body, in the place of the operation that is run.
MakePart = Callable[[Body], Any]
MANY = 12


class Maker(Protocol):
    """What makes programs up (`generate`)."""

    rng: Random

    def body(self, *, waits: bool) -> Body: ...


class Argument(Protocol):
    def generate(self, maker: Maker) -> Any: ...

    def resolve(self, world: Any, given: Any, part: MakePart) -> Any: ...


class OneOf:
    """One of some constants."""

    def __init__(self, *choices: Any) -> None:
        self._choices = choices

    def generate(self, maker: Maker) -> Any:
        return maker.rng.choice(self._choices)

    def resolve(self, world: Any, given: Any, part: MakePart) -> Any:
        return given


@dataclass(frozen=True)
class Shared:
    """One of the world's objects of a kind; None if there is none yet."""

    kind: str

    def generate(self, maker: Maker) -> int:
        return maker.rng.randrange(MANY)

    def resolve(self, world: Any, given: int, part: MakePart) -> Any:
        there = getattr(world, self.kind)
        return there[given % len(there)] if there else None


@dataclass(frozen=True)
class Place(Shared):
    """The index of one of the world's objects."""

    def resolve(self, world: Any, given: int, part: MakePart) -> int:
        return given % len(getattr(world, self.kind))


class TaskToAwait:
    """A task that was registered later than this one, or None: nobody waits in a circle.

    (asyncio's `cancel` follows such a circle until the stack ends.)
    """

    def generate(self, maker: Maker) -> int:
        return maker.rng.randrange(MANY)

    def resolve(self, world: Any, given: int, part: MakePart) -> Any:
        later = world.tasks[world.tasks.index(asyncio.current_task()) + 1 :]
        return later[given % len(later)] if later else None


@dataclass(frozen=True)
class Block:
    """A body."""

    waits: bool = True

    def generate(self, maker: Maker) -> Body:
        return maker.body(waits=self.waits)

    def resolve(self, world: Any, given: Body, part: MakePart) -> Any:
        return part(given)


class Awaitable:
    """A body to run as a coroutine, a later task, or one of the shared futures."""

    _others = (("task", TaskToAwait()), ("future", Shared("futures")))

    def generate(self, maker: Maker) -> tuple[str, Any]:
        if maker.rng.random() < 0.7:
            return "body", maker.body(waits=True)
        kind, other = maker.rng.choice(self._others)
        return kind, other.generate(maker)

    def resolve(self, world: Any, given: tuple[str, Any], part: MakePart) -> Any:
        kind, value = given
        found = part(value) if kind == "body" else dict(self._others)[kind].resolve(world, value, part)
        # There may be no later task.
        return world.futures[0] if found is None else found


@dataclass(frozen=True)
class Several:
    """A tuple of arguments of a kind."""

    of: Any
    most: int = 3

    def generate(self, maker: Maker) -> tuple[Any, ...]:
        return tuple(self.of.generate(maker) for _ in range(maker.rng.randint(0, self.most)))

    def resolve(self, world: Any, given: tuple[Any, ...], part: MakePart) -> list[Any]:
        return [self.of.resolve(world, one, part) for one in given]


# Multiples of a power of two: sums are exact, and many deadlines are equal.
DELAY = OneOf(0, 0, 0.25, 0.5, 0.5, 1, 1, 1, 2, 3, -1)
TIMEOUT = OneOf(0, 0.25, 0.5, 0.5, 1, 1, 1, 2, 3, -1, None)
NUMBER = OneOf(*range(8))
MESSAGE = OneOf(None, None, "one", "two")
FLAG = OneOf(False, True)
TASK = Shared("tasks")
TASK_TO_AWAIT = TaskToAwait()
BLOCK = Block()
CALLBACK = Block(waits=False)
AWAITABLE = Awaitable()
