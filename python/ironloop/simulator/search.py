"""Runs by many seeds, until one fails; and what is left of that one once it is as short as it gets."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from ironloop.simulator import replays
from ironloop.simulator.story import Story, shared, tell
from ironloop.simulator.world import Simulation, note

if TYPE_CHECKING:
    from ironloop.simulator.world import _Order

_R = TypeVar("_R")

# What a shorter run may cost: so many runs.
_MOST_RUNS = 200

# Two errors are the same if their types are, and so much of what they say, but for numbers.
_SAME = 60
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+")

_NO_FAILURES = (KeyboardInterrupt, SystemExit, GeneratorExit)


# pytest's: that a test is skipped is no failure of it.
_VERDICTS = ("Skipped", "XFailed", "Exit")

# How many runs with one deviation less are tried, to find one that passes.
_MOST_NEIGHBOURS = 10


class Failure(NamedTuple):
    """A run that has failed."""

    error: BaseException
    choices: list[int]
    story: Story | None = None
    # What its seed does not rule.
    unruled: list[str] = []  # noqa: RUF012


def simulate(
    *,
    seeds: int = 100,
    order: Literal["asyncio", "tasks"] = "asyncio",
    first: int = 0,
    replay: str | None = None,
) -> Callable[[Callable[..., Coroutine[Any, Any, object]]], Callable[..., None]]:
    """Makes a test of a coroutine function: it is run by many seeds, and the first failure is raised.

    The error is that of the shortest run that still fails in the same way, with a note that names its seed
    and the word by which it can be played again. An argument of the name `sim` gets the `Simulation`.

    Args:
        seeds: how many.
        order: as for `simulation`.
        first: the first seed.
        replay: plays one run, in the place of seeds.

    Raises:
        TypeError: what is decorated is no coroutine function.
        ValueError: `seeds` is less than 1, or as for `simulation`.
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, not {seeds}")
    if replay is not None:
        replays.read(replay)

    def decorate(test: Callable[..., Coroutine[Any, Any, object]]) -> Callable[..., None]:
        if not inspect.iscoroutinefunction(test):
            raise TypeError(f"a coroutine function is simulated, not {test!r}")
        signature = inspect.signature(test)
        takes_simulation = "sim" in signature.parameters

        @functools.wraps(test)
        def run(*args: Any, **kwargs: Any) -> None:
            def once(simulation: Simulation) -> None:
                more = {"sim": simulation} if takes_simulation else {}
                simulation.run(test(*args, **kwargs, **more))

            search(once, Plan(seeds, order, first, replay))

        # The plugin for pytest makes no simulation of it, it is one.
        run._ironloop_simulates = True  # type: ignore[attr-defined]
        # Whoever looks sees a plain function, without the argument that is ours to give.
        del run.__wrapped__
        left = [each for each in signature.parameters.values() if each.name != "sim"]
        run.__signature__ = signature.replace(parameters=left, return_annotation=None)  # type: ignore[attr-defined]
        return run

    return decorate


class Plan(NamedTuple):
    """Which runs are made: so many seeds from the first one on, or the one that is played again."""

    seeds: int
    order: _Order = "asyncio"
    first: int = 0
    replay: str | None = None
    # Whether a run that fails is made short.
    shrinks: bool = True
    # Whether it is told where a run that passes goes another way.
    compares: bool = True


class Enough(Exception):
    """Raised by what is run: it is no simulation, so no other seed tells more."""


class Finding(NamedTuple):
    """A failure, as it is told."""

    error: BaseException
    # By which seed, in which order, and the word that plays it again.
    summary: str
    replay: str
    # What happened, and where a run that passes goes another way.
    story: str


# What the command line says of all tests: `plan` makes of a test's own plan the one that is followed.
plans: list[Callable[[Plan], Plan]] = []


def search(once: Callable[[Simulation], object], plan: Plan) -> None:
    """Runs `once` as planned; raises the error of the shortest run like the first that fails."""
    finding = find(once, functools.reduce(lambda plan, change: change(plan), plans, plan))
    if finding is not None:
        note(finding.error, finding.summary)
        if finding.story:
            note(finding.error, finding.story)
        raise finding.error


def find(once: Callable[[Simulation], object], plan: Plan) -> Finding | None:
    """Runs `once` as planned, until one run fails; that one is made short."""
    try:
        if (word := plan.replay) is not None:
            order, choices = replays.read(word)
            plan = plan._replace(order=order)
            failure = attempt(once, order, 0, choices, Story())
            if failure is None:
                return None
            summary = f"simulated with replay={word!r}: fails with {_count(failure.choices)}"
            return Finding(failure.error, summary, word, _story(once, plan, 0, failure))
        for seed in range(plan.first, plan.first + plan.seeds):
            failure = attempt(once, plan.order, seed)
            if failure is not None:
                return _explain(once, plan, seed, failure)
    except Enough:
        pass
    return None


def _explain(once: Callable[[Simulation], object], plan: Plan, seed: int, found: Failure) -> Finding:
    again = functools.partial(attempt, once, plan.order, seed)
    shortest, runs = shrink(again, found) if plan.shrinks else (found, 0)
    # Once more, and this time it is written down.
    told = again(shortest.choices, Story()) if plan.shrinks else None
    if told is not None and _is_same(told.error, found.error):
        shortest = told._replace(choices=shortest.choices)
        story = _story(once, plan, seed, shortest)
    elif not plan.shrinks:
        story = ""
    else:
        story = "it does not come back by its seed: it depends on more than that (real time, os.urandom…)"
    story = "\n".join([*(f"not ruled by the seed: {each}" for each in found.unruled), story])
    word = replays.write(plan.order, shortest.choices)
    summary = (
        f"simulated with seed={seed}, order={plan.order!r}: fails with {_count(shortest.choices)} "
        f"(found by run {seed - plan.first + 1} of {plan.seeds}, made shorter by {runs} more); "
        f"replay={word!r}"
    )
    return Finding(shortest.error, summary, word, story)


def _count(choices: list[int]) -> str:
    count = sum(choice != 0 for choice in choices)
    return f"{count} deviation{'' if count == 1 else 's'}"


def _story(once: Callable[[Simulation], object], plan: Plan, seed: int, failure: Failure) -> str:
    """Of the runs with one deviation less, the one that passes and is the same for longest."""
    assert failure.story is not None
    nearest = None
    places = [place for place, choice in enumerate(failure.choices) if choice]
    for place in places[-_MOST_NEIGHBOURS:] if plan.compares else ():
        story = Story()
        choices = [0 if each == place else choice for each, choice in enumerate(failure.choices)]
        passes = attempt(once, plan.order, seed, choices, story) is None
        if passes and (nearest is None or shared(failure.story, story) > shared(failure.story, nearest)):
            nearest = story
    return tell(failure.story, nearest, is_undisturbed=not places)


def attempt(
    once: Callable[[Simulation], object],
    order: _Order,
    seed: int,
    choices: list[int] | None = None,
    story: Story | None = None,
) -> Failure | None:
    """One run; what went wrong. What happens is written into `story`."""
    simulation = Simulation(seed, order, choices)
    simulation._story, simulation._records = story, story is not None
    try:
        once(simulation)
    except (*_NO_FAILURES, Enough):
        raise
    except BaseException as error:
        # A test's own verdict may be no Exception; that it is skipped is none.
        if type(error).__name__ in _VERDICTS:
            raise
        return Failure(error, simulation.choices, story, simulation.unruled)
    return None


def shrink(again: Callable[[list[int]], Failure | None], failure: Failure) -> tuple[Failure, int]:
    """The run with the fewest deviations that still fails in the same way, and how many were tried."""
    best, runs = failure, 0

    def fails(choices: list[int]) -> bool:
        nonlocal best, runs
        if runs == _MOST_RUNS:
            return False
        runs += 1
        found = again(choices)
        if found is None or not _is_same(found.error, failure.error):
            return False
        # What it has asked for beyond the list was answered by 0.
        best = Failure(found.error, choices)
        return True

    if fails([]):
        return best, runs
    if not fails(failure.choices):
        # It depends on more than the seed.
        return failure, runs
    _cut_end(failure.choices, fails)
    _clear_beginning(best.choices, fails)
    _clear_pieces(lambda: best.choices, fails)
    return best, runs


def _is_same(one: BaseException, other: BaseException) -> bool:
    return type(one) is type(other) and _said(one) == _said(other)


def _said(error: BaseException) -> str:
    return _NUMBER.sub("#", str(error).partition("\n")[0])[:_SAME]


def _cut_end(choices: list[int], fails: Callable[[list[int]], bool]) -> None:
    """The shortest beginning that fails, as far as halving finds it."""
    least, most = 0, len(choices)
    while least < most:
        middle = (least + most) // 2
        if fails(choices[:middle]):
            most = middle
        else:
            least = middle + 1


def _clear_beginning(choices: list[int], fails: Callable[[list[int]], bool]) -> None:
    """The longest beginning in order that fails, in the same way."""
    least, most = 0, len(choices)
    while least < most:
        middle = (least + most + 1) // 2
        if fails([0] * middle + choices[middle:]):
            least = middle
        else:
            most = middle - 1


def _clear_pieces(current: Callable[[], list[int]], fails: Callable[[list[int]], bool]) -> None:
    """Puts more and more, smaller and smaller pieces in order: what is left is needed, each for itself."""
    pieces = 2
    while True:
        places = [place for place, choice in enumerate(current()) if choice]
        if not places:
            return
        size = -(-len(places) // pieces)
        has_changed = False
        for start in range(0, len(places), size):
            piece = set(places[start : start + size])
            shorter = [0 if place in piece else choice for place, choice in enumerate(current())]
            if fails(shorter):
                has_changed = True
        if not has_changed and size == 1:
            return
        pieces = 2 if has_changed else min(pieces * 2, len(places))
