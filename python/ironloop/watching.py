"""What the tasks of a loop do, in the program itself: `tasks`, `deadlocks`; and its recording: `watch`,
`snapshot`, `flight_recorder`.

What can be known without a recording is known without one. With one there are the times too, and the
owners of locks.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ironloop._ironloop import (
    object_owner,
    queue_users,
    recorded,
    save_blocks,
    save_recording,
    task_state,
)
from ironloop.loop import Loop


@dataclass(eq=False, slots=True)
class TaskState:
    """A task, and how it stands at this moment."""

    task: asyncio.Task[Any]
    name: str
    #: The qualified name of its coroutine.
    coroutine: str
    #: READY, RUNNING, SUSPENDED or COMPLETED.
    state: str
    #: What a suspended one waits for: "sleep", "lock", "queue get", "task"…; how a completed one has
    #: ended: "result", "error" or "cancelled".
    reason: str | None = None
    #: The object that it waits for, where there is one to name: a task, a lock, a queue, a future.
    waits_for: Any = None
    #: File and line where its own code waits.
    place: str | None = None
    #: The tasks without which it cannot go on.
    awaits: list[TaskState] = field(default_factory=list, repr=False)
    #: The tasks that cannot go on without it.
    awaited_by: list[TaskState] = field(default_factory=list, repr=False)
    #: Only of a loop that is recorded, in seconds: for how long it has been in this state, and there
    #: at all; how many steps it has made, how long it ran, how long it was ready to run; its longest step.
    in_state: float | None = None
    age: float | None = None
    steps: int | None = None
    running: float | None = None
    ready: float | None = None
    longest_step: float | None = None

    def __str__(self) -> str:
        text = f"{self.name} {self.coroutine}(): {self.state}"
        if self.reason is not None:
            text += f" on {self.reason}" if self.state == "SUSPENDED" else f": {self.reason}"
        if self.place is not None:
            text += f" at {self.place}"
        return text if self.in_state is None else f"{text}, for {self.in_state:.3f} s"


def tasks(loop: asyncio.AbstractEventLoop | None = None) -> list[TaskState]:
    """The tasks of a loop that are not completed, each with its state and with whom it waits for.

    Args:
        loop: any loop; by default the one that runs.

    Raises:
        RuntimeError: no loop is given, and none runs.
    """
    loop = asyncio.get_running_loop() if loop is None else loop
    current = asyncio.current_task(loop)
    found = [_look(task, current) for task in asyncio.all_tasks(loop)]
    found.sort(key=lambda one: one[0].age or 0.0, reverse=True)
    states = {one.task: one for one, _ in found}
    rows = {row: one for one, row in found if row is not None}
    for one, _ in found:
        for other in _needed(one, states, rows):
            one.awaits.append(other)
            other.awaited_by.append(one)
    return [one for one, _ in found]


def deadlocks(loop: asyncio.AbstractEventLoop | None = None) -> list[list[TaskState]]:
    """Cycles of tasks each of which waits for the next one: none of them goes on.

    Who holds a lock, and who uses a queue, is known of a loop that is recorded (`watch`). Who waits for an
    item waits for the task that has put there before, who waits for room or for `join` for the one that has
    got from there: if it is one task, and no callback or thread has done it as well.
    """
    cycles: list[list[TaskState]] = []
    done: set[int] = set()
    for start in tasks(loop):
        path: list[TaskState] = []
        at: dict[int, int] = {}
        # Depth first, by a stack of iterators: a chain may be longer than Python's.
        stack: list[Iterator[TaskState]] = [iter([start])]
        while stack:
            one = next(stack[-1], None)
            if one is None:
                stack.pop()
                if path:
                    left = path.pop()
                    del at[id(left)]
                continue
            if id(one) in at:
                cycles.append(path[at[id(one)] :])
            elif id(one) not in done:
                done.add(id(one))
                at[id(one)] = len(path)
                path.append(one)
                stack.append(iter(one.awaits))
    return cycles


@dataclass(eq=False, slots=True)
class RustTask:
    """A Rust future that a task awaits, or that was spawned, of a module that uses the crate `ironloop`."""

    #: As Python sees it: `Client.get`. `spawned` if it was that.
    name: str
    #: Where it is from.
    crate: str
    #: The path of its type in Rust, which has the function's: `crate::Client::get::{{closure}}`.
    function: str
    #: File and line where it was made an awaitable, or spawned.
    place: str
    #: "waits", "runs" or "fresh"; of one that a task awaits also "awaits Python".
    state: str
    #: Who awaits it; nobody, if it was spawned.
    task: asyncio.Task[Any] | None


def rust_tasks(loop: asyncio.AbstractEventLoop | None = None) -> list[RustTask]:
    """The Rust futures that the tasks of a loop await, and those that others have spawned there.

    Who is spawned on another loop than ironloop's is not known.

    Args:
        loop: any loop; by default the one that runs.

    Raises:
        RuntimeError: no loop is given, and none runs.
    """
    loop = asyncio.get_running_loop() if loop is None else loop
    found = []
    for task in asyncio.all_tasks(loop):
        for coroutine in _awaited(task.get_coro()):
            told = getattr(coroutine, "cr_rust", None)
            if told is not None:
                found.append(_rust_task(coroutine.__qualname__, told, task))
    if isinstance(loop, Loop):
        found += [_rust_task("spawned", told, None) for told in loop._rust_futures()]
    return found


def _rust_task(name: str, told: tuple[str, str, int, str], task: asyncio.Task[Any] | None) -> RustTask:
    path, file, line, state = told
    # Ours may stand around it: `ironloop::tokio::coroutine<crate::…>`.
    crates = re.findall(r"(?<![\w:])(\w+)::", path)
    crate = next((crate for crate in crates if crate != "ironloop"), "ironloop")
    return RustTask(name, crate, path, f"{file}:{line}", state, task)


def _awaited(coroutine: Any) -> Iterator[Any]:
    """A coroutine, and along its awaits."""
    for _ in range(1000):
        yield coroutine
        inner = getattr(coroutine, "cr_await", None)
        coroutine = getattr(coroutine, "gi_yieldfrom", None) if inner is None else inner
        if coroutine is None:
            return


def watch(loop: asyncio.AbstractEventLoop | None = None) -> str:
    """Records what a loop does, from now on; returns the path of the recording, a file in memory.

    Args:
        loop: a loop of ironloop's; by default the one that runs.

    Raises:
        OSError: there is no place for a recording.
        TypeError: it is another's loop.
        RuntimeError: no loop is given, and none runs.
    """
    return _own(loop)._record()


def snapshot(path: str | os.PathLike[str], loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Saves the recording of a loop as it is now, for `python -m ironloop replay`.

    Raises:
        RuntimeError: the loop is not recorded.
        ValueError: the path is the recording's own.
    """
    recording = _own(loop)._recording()
    if recording is None or os.stat(recording).st_size <= 4096:
        raise RuntimeError("this loop is not recorded: ironloop.watch() does it")
    save_recording(recording, os.fspath(path))


def flight_recorder(folder: str | os.PathLike[str], *, signal: int | None = None, most: int = 8) -> None:
    """Records what loops do, and saves the last seconds when one is blocked or a signal comes.

    What is in the folder opens with `python -m ironloop replay`. It holds for the loop that runs and for
    those that begin to run from now on. `IRONLOOP_SNAPSHOTS=FOLDER` in the environment does the same, without
    a signal.

    Args:
        folder: where copies of recordings go; made if it is not there.
        signal: its number; when it comes, each recorded loop of the process is saved. Only the main thread
            may ask for that; the handler that was there before is replaced.
        most: how many copies of blocked loops stay; the oldest go.

    Raises:
        OSError: there is no place for a recording.
        ValueError: a signal is asked for from another thread than the main one.
    """
    folder = os.path.abspath(folder)
    if signal is not None:
        import signal as signals

        signals.signal(signal, lambda number, _: _save_all(folder, number))
    save_blocks(folder, most)
    running = asyncio._get_running_loop()
    if isinstance(running, Loop):
        running._record()


_saved = itertools.count(1)


def _save_all(folder: str, number: int) -> None:
    """A signal has come. What cannot be saved is said, and harms nobody."""
    for recording in recorded():
        to = os.path.join(folder, f"signal-{os.path.basename(recording)}-{next(_saved)}.ironloop")
        try:
            os.makedirs(folder, 0o700, exist_ok=True)
            save_recording(recording, to)
            word = f"the last seconds are in {to}"
        except (OSError, ValueError) as error:
            word = f"the last seconds cannot be saved to {to}: {error}"
        if sys.stderr is not None:
            print(f"ironloop: {word}", file=sys.stderr, flush=True)


def _own(loop: asyncio.AbstractEventLoop | None) -> Loop:
    loop = asyncio.get_running_loop() if loop is None else loop
    if not isinstance(loop, Loop):
        raise TypeError(f"a loop of ironloop's was expected, got {loop!r}")
    return loop


def _look(task: asyncio.Task[Any], current: asyncio.Task[Any] | None) -> tuple[TaskState, int | None]:
    """A task's state, and its row in the recording."""
    coroutine = task.get_coro()
    name = getattr(coroutine, "__qualname__", None) or type(coroutine).__qualname__
    found = TaskState(task, task.get_name(), name, "READY")
    waiter = getattr(task, "_fut_waiter", None)
    native, times = task_state(task)
    if task is current:
        found.state = "RUNNING"
    elif task.done():
        found.state = "COMPLETED"
        found.reason = "cancelled" if task.cancelled() else "error" if task.exception() else "result"
    elif waiter is not None and not waiter.done():
        found.state, found.reason, found.waits_for = "SUSPENDED", native or "future", waiter
    _follow(found, coroutine)
    if times is None:
        return found, None
    found.in_state, found.age, found.steps = times[1:4]
    found.running, found.ready, found.longest_step = times[4:]
    return found, times[0]


def place_of(task: asyncio.Task[Any]) -> str | None:
    """File and line where a task's own code waits."""
    found = TaskState(task, "", "", "")
    _follow(found, task.get_coro())
    return found.place


def _follow(found: TaskState, outermost: Any) -> None:
    """Along the awaits, to where the program's own code waits, and what for."""
    for coroutine in _awaited(outermost):
        frame = getattr(coroutine, "cr_frame", None)
        code = getattr(coroutine, "cr_code", None)
        subject = getattr(coroutine, "_subject", None)
        if subject is not None and found.state == "SUSPENDED":
            found.waits_for = subject
        elif frame is not None and code is not None and subject is None and frame.f_lineno:
            module = frame.f_globals.get("__name__", "")
            # Functions of ours have a frame that says no more than that.
            if module.partition(".")[0] not in ("asyncio", "ironloop") and code.co_filename != "asyncio":
                found.place = f"{code.co_filename}:{frame.f_lineno}"
        elif (told := getattr(coroutine, "cr_rust", None)) is not None:
            # Where the future was made an awaitable: in Rust there is no frame to ask.
            found.place = f"{told[1]}:{told[2]}"
            if found.state == "SUSPENDED":
                found.reason = f"Rust {coroutine.__qualname__}"


def _needed(
    one: TaskState, states: dict[asyncio.Task[Any], TaskState], rows: dict[int, TaskState]
) -> Iterator[TaskState]:
    if one.state != "SUSPENDED":
        return
    waits_for = one.waits_for
    if isinstance(waits_for, asyncio.Task):
        if waits_for in states:
            yield states[waits_for]
    elif isinstance(waits_for, asyncio.Future):
        for child in getattr(waits_for, "_children", None) or ():
            if child in states:
                yield states[child]
        yield from _group(one, states)
    elif one.reason in ("lock", "condition"):
        row = object_owner(waits_for)
        if row is not None and row in rows:
            yield rows[row]
    elif one.reason in ("queue get", "queue put", "queue join"):
        putter, getter = queue_users(waits_for)
        row = putter if one.reason == "queue get" else getter
        # Whoever waits for all to be done has often put it there.
        if row is not None and row in rows and rows[row] is not one:
            yield rows[row]


def _group(one: TaskState, states: dict[asyncio.Task[Any], TaskState]) -> Iterator[TaskState]:
    """A task that waits at the end of a group waits for the group's tasks."""
    for other in states.values():
        for callback, _ in getattr(other.task, "_callbacks", None) or ():
            group = getattr(callback, "__self__", None)
            if isinstance(group, asyncio.TaskGroup) and group._on_completed_fut is one.waits_for:  # type: ignore[attr-defined]
                yield other
