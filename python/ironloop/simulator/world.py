"""One simulation: a seed, a clock, and what was run in it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import warnings
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ironloop._ironloop import World, lead_clocks, renew_budget
from ironloop.simulator import borders, replays
from ironloop.simulator.errors import Violation
from ironloop.simulator.loop import SimulatedLoop
from ironloop.simulator.network import Host, Network
from ironloop.simulator.story import Story

_T = TypeVar("_T")

if TYPE_CHECKING:
    _Order = Literal["asyncio", "tasks"]

# What `time.time()` reads at the beginning: noon of the first of January 2030, UTC. A simulation does not
# know what day it is.
EPOCH = 1_893_499_200


class Simulation:
    """A world that a seed rules; made by `ironloop.simulation`. Use it in `with`, and run coroutines in it.

    One thread has one simulation at a time, and one loop runs in it.
    """

    __module__ = "ironloop.simulator"

    def __init__(self, seed: int, order: _Order, choices: list[int] | None) -> None:
        self.seed = seed
        self.order = order
        self._world = World(seed, choices, order)
        self.network = Network(self._world)
        self._always: list[tuple[Callable[[], object], str]] = []
        self._pending: list[_Pending] = []
        # What happens, in words; only for a run of which one is told.
        self._story: Story | None = None
        self._loops: list[SimulatedLoop] = []
        # What was not ruled by the seed, in words: where a thread was waited for in vain.
        self.unruled: list[str] = []
        # Whether its loops are recorded: only so it is known who holds a lock. A search asks for it once it
        # has found something.
        self._records = True
        borders.guard()
        if unknown := lead_clocks():
            warnings.warn(
                f"these clocks do not follow a simulation, another tool has them: {', '.join(unknown)}",
                RuntimeWarning,
                stacklevel=3,
            )

    # What became of it

    @property
    def choices(self) -> list[int]:
        """What chance has decided so far; 0 is what happens where nobody interferes."""
        return self._world.choices

    @property
    def deviations(self) -> int:
        """How many of them are not 0."""
        return sum(choice != 0 for choice in self._world.choices)

    @property
    def digest(self) -> int:
        """A number that two runs share only if the same has happened in both, in the same order."""
        return self._world.digest

    @property
    def replay(self) -> str:
        """A word that stands for this very run: for `simulation(replay=…)` and `simulate(replay=…)`."""
        return replays.write(self.order, self._world.choices)

    def time(self) -> float:
        """The clock, in seconds since the simulation began."""
        return self._world.time()

    def host(self, name: str, address: str | None = None) -> Host:
        """A machine with a name and an address of its own.

        Args:
            name: by which others find it.
            address: of IPv4 or IPv6; by default one is given out.

        Raises:
            ValueError: the name or the address is another host's, or none.
        """
        return self.network.add(name, address)

    # Running

    def __enter__(self) -> Simulation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            note(error, f"simulated with seed={self.seed}, order={self.order!r}; replay={self.replay!r}")
            for each in self.unruled:
                note(error, f"not ruled by the seed: {each}")

    def run(self, main: Coroutine[Any, Any, _T], *, debug: bool | None = None) -> _T:
        """Runs a coroutine on a loop of its own in this world, and returns the result, as `asyncio.run` does.

        Args:
            main: the coroutine; its exceptions are raised here.
            debug: whether the loop is in debug mode.

        Raises:
            Deadlock: nothing will ever happen again.
            Violation: what `always` or `eventually` was told does not hold.
            Escape: the program would reach out of the simulation.
        """
        borders.check()
        with self._runs(), asyncio.Runner(debug=debug, loop_factory=self.new_event_loop) as runner:
            try:
                result = runner.run(main)
                self._judge()
            finally:
                # What follows is cleaning up.
                if self._story is not None:
                    self._story.is_over = True
        return result

    @contextlib.contextmanager
    def _runs(self) -> Iterator[None]:
        """A program runs in it: one run, or a test with its fixtures."""
        with self._random():
            # What a run before has read at once is none of this one's.
            renew_budget()
            try:
                yield
            finally:
                self._pending.clear()
                for loop in self._loops:
                    loop._hear(None)
                self._loops.clear()

    def _judge(self) -> None:
        """The program has ended: what had to come true has done so."""
        for each in self._pending:
            if not each.was_true():
                raise self._violation(each.message)
        self._pending.clear()

    @contextlib.contextmanager
    def _random(self) -> Iterator[None]:
        """`random` follows the seed, and the collector does not come when it likes."""
        state, collects = random.getstate(), gc.isenabled()
        random.seed(self._world.choose(1 << 16))
        gc.disable()
        try:
            yield
        finally:
            random.setstate(state)
            if collects:
                gc.enable()

    def new_event_loop(self) -> SimulatedLoop:
        """A loop in this world, for `asyncio.Runner(loop_factory=…)`."""
        loop = SimulatedLoop(clock=self._world, epoch=EPOCH, network=self.network, tell=self.unruled.append)
        self._loops.append(loop)
        if self._records:
            # Where there is no place for it a report says less.
            with contextlib.suppress(OSError, RuntimeError):
                loop._record()
        if self._always or self._story is not None:
            loop._hear(self._look)
        return loop

    # What has to hold

    def always(self, predicate: Callable[[], object], message: str = "") -> None:
        """Checks after each callback, and after each step of a task, that `predicate()` is true.

        Args:
            predicate: called with nothing, by the loop; it must not block. What it raises ends the run.
            message: what the `Violation` says; by default the predicate's name.
        """
        self._always.append((predicate, message or f"always: {_name(predicate)}"))
        self._listen()

    def eventually(self, predicate: Callable[[], object], within: float, message: str = "") -> None:
        """Checks that `predicate()` is true after some step, `within` so many simulated seconds.

        Call it in the simulation, while its loop runs. A program that ends before has to make it true before.

        Args:
            predicate: called with nothing, by the loop, until it is true; it must not block.
            within: seconds from now.
            message: what the `Violation` says; by default the predicate's name.

        Raises:
            RuntimeError: no loop runs.
            ValueError: `within` is negative.
        """
        loop = asyncio.get_running_loop()
        message = message or f"eventually, within {within:g} s: {_name(predicate)}"
        if not isinstance(loop, SimulatedLoop) or loop not in self._loops:
            raise RuntimeError("eventually() is called in the simulation's loop")
        if not within >= 0:
            raise ValueError(f"within must be 0 seconds at least, not {within}")
        pending = _Pending(predicate, message)
        self._pending.append(pending)
        self._listen()
        loop.call_later(within, pending.end)

    def _listen(self) -> None:
        for loop in self._loops:
            loop._hear(self._look)

    def _look(self, what: Any) -> None:
        """For the loop, after each item: a task that has made a step, or a callback by its name."""
        if self._story is not None:
            self._story.note(self._world.time(), what)
        for predicate, message in self._always:
            if not predicate():
                raise self._violation(message, what)
        for each in self._pending:
            if not each.look():
                raise self._violation(each.message, what)

    def _violation(self, message: str, what: Any = None) -> Violation:
        # What follows is cleaning up.
        for loop in self._loops:
            loop._hear(None)
        self._pending.clear()
        where = (
            "when the program ended" if what is None else f"after {(self._story or Story()).describe(what)}"
        )
        return Violation(f"{message}\n  {where}, at {self._world.time():.6f} s")


class _Pending:
    """Something that has to become true in time: WAITING, then TRUE or over."""

    def __init__(self, predicate: Callable[[], object], message: str) -> None:
        self._predicate = predicate
        self.message = message
        self._was_true = False
        self._is_over = False

    def look(self) -> bool:
        """Whether it may still become true, or was."""
        return self.was_true() or not self._is_over

    def was_true(self) -> bool:
        if not self._was_true:
            self._was_true = bool(self._predicate())
        return self._was_true

    def end(self) -> None:
        self._is_over = True


def _name(predicate: Callable[[], object]) -> str:
    return getattr(predicate, "__qualname__", None) or repr(predicate)


def note(error: BaseException, text: str) -> None:
    """Adds a line to an error, once."""
    if text not in getattr(error, "__notes__", ()):
        error.add_note(text)


def simulation(
    seed: int | None = None,
    *,
    order: Literal["asyncio", "tasks"] = "asyncio",
    replay: str | None = None,
) -> Simulation:
    """A world in virtual time in which chance is ruled by a seed: for `with ironloop.simulation(…) as sim`.

    Inside, `sim.run(main())` runs a program on the loop of production. `time.time`, `time.monotonic`,
    `time.perf_counter`, `datetime.now` and `time.sleep` follow its clock, in the thread that runs it, while
    its loop runs.

    Args:
        seed: the same means the same run; None: one is drawn, and named if an error leaves the `with`.
        order: "asyncio" leaves to chance only what asyncio does not document (what is reported at once, equal
            deadlines, threads, what a step costs); "tasks" beside that lets the steps of different tasks that
            are ready together come in any order.
        replay: the word that a run was named by, in the place of seed and order.

    Raises:
        ValueError: `order` is neither, `replay` is no such word, or `seed` is not from 0 to 2**64 - 1.
    """
    if seed is not None and not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must be from 0 to 2**64 - 1, not {seed}")
    if replay is not None:
        order, choices = replays.read(replay)
        return Simulation(0, order, choices)
    return Simulation(random.getrandbits(32) if seed is None else seed, order, None)
