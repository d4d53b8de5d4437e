"""Hypothesis drives a simulation: stateful machines whose rules are coroutines.

    class Bank(SimulatedMachine):
        @rule(amount=strategies.integers(1, 100))
        @step
        async def deposit(self, amount):
            await self.account.book(amount)

    TestBank = Bank.TestCase

Needs Hypothesis, and is imported only by those who use it.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from hypothesis import strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize

from ironloop.simulator.world import Simulation

if TYPE_CHECKING:
    from ironloop.simulator.loop import SimulatedLoop

_Self = TypeVar("_Self", bound="SimulatedMachine")
_T = TypeVar("_T")


class SimulatedMachine(RuleBasedStateMachine):  # type: ignore[misc, unused-ignore]
    """A machine whose [steps][ironloop.simulator.machines.step] run in one simulation, on one loop.

    Hypothesis chooses the rules, their arguments, and the simulation's seed. Tasks that a step has begun go
    on while later steps run; between steps no time passes.
    """

    #: Which orders the simulation tries: "asyncio" or "tasks".
    order: Literal["asyncio", "tasks"] = "asyncio"

    def __init__(self) -> None:
        super().__init__()
        self._simulation: Simulation | None = None
        self._loop: SimulatedLoop | None = None

    @initialize(seed=strategies.integers(0, (1 << 32) - 1))  # type: ignore[untyped-decorator, unused-ignore]
    def begin_simulation(self, seed: int) -> None:
        # Another initializer may have used it before.
        if self._simulation is None:
            self._simulation = Simulation(seed, self.order, None)
            # There are hundreds of them.
            self._simulation._records = False

    @property
    def sim(self) -> Simulation:
        """The simulation, for `self.sim.always(…)` and `self.sim.eventually(…)`."""
        self.begin_simulation(0)
        assert self._simulation is not None
        return self._simulation

    def _perform(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        simulation = self.sim
        if self._loop is None:
            self._loop = simulation.new_event_loop()
        with simulation._random():
            return self._loop.run_until_complete(coroutine)

    def teardown(self) -> None:
        """Ends the simulation: what is left of its tasks is cancelled. Call it, if you have your own."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        simulation = self.sim
        try:
            simulation._judge()
        finally:
            # What follows is cleaning up.
            loop._hear(None)
            try:
                with simulation._random():
                    loop.run_until_complete(_cancel_all())
                    loop.run_until_complete(loop.shutdown_asyncgens())
                    loop.run_until_complete(loop.shutdown_default_executor())
            finally:
                loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def step(
    function: Callable[..., Coroutine[Any, Any, _T]],
) -> Callable[..., _T]:
    """Makes a rule, an initializer or an invariant of a coroutine function: it runs in the simulation.

    Put it below `@rule(…)`, `@initialize(…)` or `@invariant()`.
    """

    @functools.wraps(function)
    def perform(self: SimulatedMachine, *args: Any, **kwargs: Any) -> _T:
        return self._perform(function(self, *args, **kwargs))

    return perform
