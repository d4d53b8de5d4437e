"""Both loops in virtual time: when nothing is ready, the clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

import ironloop
from ironloop._ironloop import World
from ironloop.simulator.loop import SimulatedLoop
from ironloop.simulator.network import Network

# No program comes near: one that does runs in circles.
MOST_TURNS = 20_000

# Later than all timers of a program, in seconds.
NEVER = 1e9


class VirtualTime:
    """The part that both loops share.

    `on_idle` is called between turns when nothing is ready and no timer is left.
    """

    _virtual_now = 0.0
    _turns = 0
    on_idle: Callable[[], None] | None = None

    def time(self) -> float:
        return self._virtual_now

    def _before_turn(self) -> None:
        loop: Any = self
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise AssertionError(f"the program has not ended after {MOST_TURNS} turns")
        if loop._stopping or (deadline := self._next_timer()) is None:
            return
        if deadline < NEVER:
            self._virtual_now = max(self._virtual_now, deadline)
        elif self.on_idle is not None:
            self.on_idle()

    def _next_timer(self) -> float | None:
        """When the next timer is due, `NEVER` if there is none; None if something is ready already."""
        raise NotImplementedError


class _Timer(asyncio.TimerHandle):
    """Equal deadlines in the order of arrival: asyncio leaves it to its heap, ironloop says so."""

    __slots__ = ("_number",)

    def __lt__(self, other: Any) -> bool:
        return (self._when, self._number) < (other._when, other._number)


class AsyncioLoop(VirtualTime, asyncio.SelectorEventLoop):
    """Stock asyncio's, in virtual time."""

    _timers = 0

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        self._check_closed()
        if self._debug:
            self._check_thread()
            self._check_callback(callback, "call_at")
        timer = _Timer(when, callback, args, self, context)
        self._timers += 1
        timer._number = self._timers
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def _run_once(self) -> None:
        self._before_turn()
        super()._run_once()

    def _next_timer(self) -> float | None:
        if self._ready:
            return None
        return min((timer.when() for timer in self._scheduled if not timer.cancelled()), default=NEVER)


class IronloopLoop(VirtualTime, ironloop.Loop):
    """ironloop's, in virtual time."""

    def __init__(self) -> None:
        super().__init__()
        # The core tells the next deadline, or None when it would not wait for one. With a timer that is
        # always there, None says that something is ready: what is native has no handle in `_ready`.
        self.call_at(NEVER, int)

    def _run_once(self) -> None:
        self._before_turn()
        super()._run_once()

    def _next_timer(self) -> float | None:
        return self._next_deadline()


class SimulationLoop(SimulatedLoop):
    """A simulation's, in which chance leaves everything in order."""

    on_idle: Callable[[], None] | None = None

    def _nothing_will_happen(self) -> None:
        assert self.on_idle is not None
        self.on_idle()


def simulation_loop() -> SimulationLoop:
    world = World(0, [], "asyncio")
    return SimulationLoop(clock=world, epoch=0, network=Network(world), tell=_unruled)


def _unruled(what: str) -> None:
    raise AssertionError(f"no program does what no seed rules: {what}")
