"""A loop in numbers: what `loop.metrics()` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ironloop.loop import Loop


@dataclass(frozen=True, slots=True)
class Histogram:
    """Lengths of time, in seconds. Each is known to some 6 %; their sum and the longest are exact."""

    #: How many there were, and what they come to.
    count: int
    sum: float
    #: The longest.
    max: float
    #: Lengths that occurred, the shortest first, and how often each did.
    lengths: tuple[tuple[float, int], ...] = field(repr=False)

    @property
    def mean(self) -> float:
        """The average; 0.0 of none."""
        return self.sum / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """The length that so many percent of them did not exceed; 0.0 of none.

        Raises:
            ValueError: it is not between 0 and 100.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"a percentage is between 0 and 100, not {percent}")
        passed, wanted = 0, self.count * percent / 100
        for length, count in self.lengths:
            passed += count
            if passed >= wanted:
                return length
        return self.max

    def below(self, seconds: float) -> int:
        """How many were at most so long."""
        return sum(count for length, count in self.lengths if length <= seconds)


@dataclass(frozen=True, slots=True)
class Metrics:
    """A loop in numbers. Outside `python -m ironloop metrics` and the page's `/metrics` give the same.

    What counts begins with the loop, or with its recording; what only a recording knows is None without one.
    """

    #: Whether the loop is recorded: by `ironloop.watch()`, `IRONLOOP_WATCH=1`, or because somebody looks.
    recorded: bool
    #: Callbacks and steps of tasks that were performed.
    items: int
    #: Callbacks and tasks that are ready to run, and timers that wait.
    ready: int
    timers: int
    #: How many tasks are RUNNING, READY, SUSPENDED; of the last, how many wait for what. (None: on a
    #: free-threaded build, of a loop that another thread runs, unless it is recorded.)
    tasks: dict[str, int] | None
    waiting: dict[str, int] | None
    #: Transports of sockets that are open, and how many there have been. (Pipes are not counted: their
    #: transports are asyncio's own.)
    transports: int
    connections: int
    #: Bytes that were written to transports, and wait in them for the kernel to take them.
    buffered: int
    #: Bytes from connections, and to them.
    received: int | None = None
    sent: int | None = None
    #: Tasks that were made, or met.
    tasks_made: int | None = None
    #: Events that were gone before they were counted, and tasks, locks, queues and names that found no room.
    missed: int | None = None
    refused: int | None = None
    #: How long steps of tasks ran, and how long tasks were ready before they ran.
    step_time: Histogram | None = None
    ready_time: Histogram | None = None
    #: How long turns of the loop took, and how late the callbacks of timers ran.
    turn_time: Histogram | None = None
    lag: Histogram | None = None


class Measured:
    """What a loop has of it."""

    def metrics(self: Loop) -> Metrics:  # type: ignore[misc]
        """How the loop does, in numbers, at this moment. Any thread may ask: `loop.metrics()`.

        The times are counted from the first call on, and of the last 20,000 events that a recording has then;
        those before are `missed`. Without a recording there are none.

        Raises:
            RuntimeError: the loop is closed.
        """
        items, ready, timers, (transports, connections, buffered), stands, more = self._numbers()
        tasks = waiting = None
        if stands is not None:
            tasks, waiting = dict.fromkeys(("RUNNING", "READY", "SUSPENDED"), 0), {}
            for state, reason, count in stands:
                tasks[state] += count
                if reason is not None:
                    waiting[reason] = count
        known = (more is not None, items, ready, timers, tasks, waiting, transports, connections, buffered)
        if more is None:
            return Metrics(*known)
        (received, sent, made), (missed, refused), times = more
        step, wait, turn, lag = (
            Histogram(count, total, longest, tuple(parts)) for count, total, longest, parts in times
        )
        return Metrics(*known, received, sent, made, missed, refused, step, wait, turn, lag)
