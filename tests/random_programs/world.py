"""What the tasks of a program share, and the log of all that could be observed."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import Counter
from collections.abc import Callable
from typing import Any

from random_programs.describe import Describer
from random_programs.program import Program

# Rounds of cancelling what is left; a task swallows at most one cancellation an operation.
MOST_ROUNDS = 200


def _queue(kind: str, size: int) -> asyncio.Queue[Any]:
    class MiddleQueue(asyncio.Queue):
        """A subclass of the documented hooks' kind: neither the first nor the last."""

        def _init(self, maxsize: int) -> None:
            self._queue = []

        def _put(self, item: Any) -> None:
            self._queue.append(item)

        def _get(self) -> Any:
            return self._queue.pop(len(self._queue) // 2)

    class HeapQueue(asyncio.PriorityQueue):
        """asyncio's own hooks, called by a subclass."""

        def _put(self, item: Any, push: Callable[..., None] = heapq.heappush) -> None:
            super()._put(-item)

    kinds = {"middle": MiddleQueue, "heap": HeapQueue}
    return (kinds.get(kind) or getattr(asyncio, kind))(size)


class World:
    """Of one run of a program. Every event is noted with the time, the place, and the state of everything."""

    def __init__(
        self, program: Program, loop: asyncio.AbstractEventLoop, relieve: Callable[[int], None]
    ) -> None:
        self.loop = loop
        self.log: list[tuple[Any, ...]] = []
        # What depends on when an object goes: compared as a whole, and not where it happened.
        self.reports: Counter[Any] = Counter()
        self.tasks: list[asyncio.Task[Any]] = []
        self.labels: dict[Any, str] = {}
        self.handles: list[asyncio.Handle] = []
        self.callbacks: list[Callable[..., None]] = []
        self.count = 0
        self.variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable", default=None)
        self.context = contextvars.copy_context()
        self.finished: asyncio.Future[None] = loop.create_future()
        self.rounds = 0
        self._reliefs = iter(range(len(program.reliefs)))
        self._relieve = relieve
        self.describer = Describer(self.labels.get)
        self.queues = [_queue(kind, size) for kind, size in program.queues]
        copies = range(program.copies)
        self.locks = [asyncio.Lock() for _ in copies]
        self.events = [asyncio.Event() for _ in copies]
        self.conditions = [asyncio.Condition(self.locks[0] if number else None) for number in copies]
        self.semaphores = [getattr(asyncio, kind)(size) for kind, size in program.semaphores]
        self.barriers = [asyncio.Barrier(parties) for parties in program.barriers]
        self.futures = [loop.create_future() for _ in copies]

    def register(self, task: Any, label: str) -> None:
        """The first label stays: a coroutine that `wait_for` runs in its caller's task makes no new task."""
        if task not in self.labels:
            self.labels[task] = label
            self.tasks.append(task)

    def note(self, place: str, event: str, detail: Any = None) -> None:
        task = asyncio.current_task() if asyncio._get_running_loop() else None
        who = (self.labels.get(task, "another task"), task.cancelling()) if task else None
        described = self.describer.value(detail)
        self.log.append((self.loop.time(), place, event, described, who, self.variable.get(), self._states()))

    def _states(self) -> str:
        def future(future: Any) -> str:
            return "." if not future.done() else "c" if future.cancelled() else "d"

        def flag(held: bool) -> str:
            return "#" if held else "-"

        return " ".join(
            (
                "".join(map(future, self.tasks)),
                "".join(map(future, self.futures)),
                ",".join(str(queue.qsize()) for queue in self.queues),
                "".join(flag(lock.locked()) for lock in (*self.locks, *self.conditions, *self.semaphores)),
                "".join(flag(event.is_set()) for event in self.events),
                ",".join(f"{barrier.n_waiting}{flag(barrier.broken)}" for barrier in self.barriers),
            )
        )

    def report(self, loop: Any, context: dict[str, Any]) -> None:
        """The loop's exception handler."""
        known = context["message"].split("<")[0], context.get("exception")
        if "handle" in context:
            self.note("loop", "reports", known)
        else:
            self.reports[self.describer.value((known, sorted(context)))] += 1

    def idle(self) -> None:
        """Nothing is ready and no timer left: what still waits would wait for ever."""
        if self.finished.done():
            return
        self.rounds += 1
        if self.rounds > MOST_ROUNDS:
            raise AssertionError("what is left cannot be cancelled")
        self.loop.call_soon(self._help, context=contextvars.Context())

    def _help(self) -> None:
        left = [task for task in self.tasks if not task.done()]
        self.note("loop", "idle", left)
        if not left:
            self.finished.set_result(None)
        elif (relief := next(self._reliefs, None)) is not None:
            self._relieve(relief)
        else:
            self._cancel(left)

    def _cancel(self, left: list[asyncio.Task[Any]]) -> None:
        for task in left:
            self.note("loop", "cancels", (task, task.cancel("left over")))
        # A condition's waiter, cancelled or not, waits for its lock; who holds it may have ended.
        for lock in self.locks:
            if lock.locked() and self.rounds > MOST_ROUNDS // 2:
                lock.release()
        for condition in self.conditions:
            if condition.locked() and self.rounds > MOST_ROUNDS // 2:
                condition.release()
