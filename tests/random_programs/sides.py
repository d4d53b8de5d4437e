"""One program on one loop: `on_asyncio` and `on_ironloop`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import ironloop

from random_programs.describe import Describer
from random_programs.interpreter import Part, Scope
from random_programs.loops import AsyncioLoop, IronloopLoop, simulation_loop
from random_programs.operations.scheduling import AtOnce
from random_programs.program import Body, Program, name_of
from random_programs.world import World


@dataclass
class Outcome:
    """All that was seen of a run."""

    log: list[tuple[Any, ...]] = field(default_factory=list)
    # Never-retrieved exceptions and the like, warnings, errors that Python could only print.
    reports: Counter[Any] = field(default_factory=Counter)
    ending: Any = None


Side = Callable[[Program], Outcome]


def on_asyncio(program: Program) -> Outcome:
    """Stock asyncio."""
    return _run(program, AsyncioLoop)


def on_ironloop(program: Program) -> Outcome:
    """ironloop behind asyncio's own names."""
    with ironlooped():
        return _run(program, IronloopLoop)


def on_simulation(program: Program) -> Outcome:
    """The same in a simulation in which nobody interferes."""
    with ironlooped():
        return _run(program, simulation_loop)


@contextlib.contextmanager
def ironlooped() -> Iterator[None]:
    """The one place that says how programs get ironloop's vocabulary."""
    ironloop.install()
    try:
        yield
    finally:
        ironloop.uninstall()


def _run(program: Program, loop_factory: Callable[[], Any]) -> Outcome:
    outcome = Outcome()
    with _noting(outcome):
        try:
            with asyncio.Runner(loop_factory=loop_factory, debug=program.debug) as runner:
                outcome.ending = runner.run(_main(program, outcome))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            outcome.ending = Describer(lambda task: None).error(error)
        gc.collect()
    return outcome


async def _main(program: Program, outcome: Outcome) -> str:
    loop: Any = asyncio.get_running_loop()

    def start(body: Body, name: str) -> None:
        task = asyncio.create_task(Part(Scope(world, name), body).coroutine(), name=name)
        world.register(task, name)

    world = World(program, loop, lambda number: start(program.reliefs[number], f"relief {name_of(number)}"))
    outcome.log, outcome.reports = world.log, world.reports
    loop.set_exception_handler(world.report)
    loop.set_default_executor(AtOnce(1))
    loop.on_idle = world.idle
    for number, body in enumerate(program.tasks):
        start(body, name_of(number))
    await world.finished
    # It has no threads, and a loop that closes would wait for them by the clock.
    loop._default_executor = None
    left = len(asyncio.all_tasks()) - 1
    # What is reported when an object goes is to be reported here; asynchronous generators that only the
    # collector finds are closed by tasks of the loop.
    world.finished = loop.create_future()
    for things in (world.tasks, world.handles, world.callbacks, world.futures):
        things.clear()
    world.labels.clear()
    gc.collect()
    await world.finished
    return f"{left} tasks are left"


@contextlib.contextmanager
def _noting(outcome: Outcome) -> Iterator[None]:
    """Python's own reports go into the outcome; the collector runs at the end, and not over the test run."""

    def unraisable(found: Any) -> None:
        outcome.reports["unraisable", type(found.exc_value).__name__] += 1

    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
        sys.unraisablehook = hook
    # In debug mode further lines say by which calls a coroutine was made; not of a native one.
    messages = ((found.category.__name__, str(found.message).partition("\n")[0]) for found in caught)
    outcome.reports.update(messages)
