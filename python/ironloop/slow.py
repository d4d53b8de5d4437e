"""`python -m ironloop slow app.py`: the program in slow motion, one frame for each switch from task to task.

Every coroutine of a task is put into one of ours, which tells when it is resumed and when it hands control
back; the loop's turns are looked at as well. While a frame stands the program's clock stands still, so of
three sleeps the shortest still ends first. For learners: nothing else pays for it. How a frame looks is in
`slow_frames.py`.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from ironloop.loop import Loop
from ironloop.slow_frames import Frame, Pipe, Row, Terminal
from ironloop.watching import TaskState, tasks

USAGE = """\
usage: python -m ironloop slow [OPTION ...] PROGRAM.py [ARG ...]
       python -m ironloop slow [OPTION ...] -m MODULE [ARG ...]

Runs a program in slow motion, and draws which task is RUNNING, which are READY, what the SUSPENDED ones
wait for.

  --pause SECONDS  how long a frame stands (1; on a pipe 0); meanwhile the program's clock stands still
  --keys           each frame stands until a key is pressed
  --steps N        so many frames, then the program runs on at its own speed
  --plain          frames one below the other, as on a pipe

Keys: space or Enter the next frame, r runs by itself, + and - faster and slower, f no more frames, q ends.
"""

# A step that takes as long is told: nobody else could run.
_LONG = 0.1


def begin(words: list[str]) -> list[str]:
    """Has the program that follows run slowly; returns the words that follow the options."""
    pause: float | None = None
    steps: int | None = None
    keys = plain = False
    words = list(words)
    try:
        while words and words[0].startswith("--"):
            match words.pop(0):
                case "--pause":
                    pause = max(0.0, float(words.pop(0)))
                case "--steps":
                    steps = int(words.pop(0))
                case "--keys":
                    keys = True
                case "--plain":
                    plain = True
                case "--help":
                    print(USAGE, end="")
                    sys.exit(0)
                case other:
                    raise ValueError(other)
        if not words:
            raise ValueError("nothing to run")
    except (ValueError, IndexError) as error:
        print(f"ironloop slow: {error}\n{USAGE}", end="", file=sys.stderr)
        sys.exit(2)
    screen = Pipe() if plain or not sys.stdout.isatty() else Terminal()
    if pause is None:
        pause = 0.0 if isinstance(screen, Pipe) else 1.0
    _Show(screen, pause, keys, steps).open()
    return words


class _Steps(Coroutine[Any, Any, Any]):
    """A task's coroutine, whose steps are shown. Whatever else is asked of it is the coroutine's own."""

    def __init__(self, coroutine: Any, show: _Show) -> None:
        self._coroutine = coroutine
        self._show = show

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._coroutine.__await__())

    def close(self) -> None:
        self._coroutine.close()

    def send(self, value: Any) -> Any:
        return self._step(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._coroutine.throw, *error)

    def _step(self, resume: Callable[..., Any], *arguments: Any) -> Any:
        task = self._show.resumes()
        try:
            return resume(*arguments)
        except StopIteration as stop:
            self._show.ended(task, f"result {_short(stop.value)}")
            raise
        except asyncio.CancelledError:
            self._show.ended(task, "cancelled")
            raise
        except BaseException as error:
            self._show.ended(task, f"error {_short(error)}")
            raise
        finally:
            self._show.returns(task)


class _Show:
    """What has happened so far, and when frames are drawn. One a process, for its main thread."""

    def __init__(self, screen: Pipe | Terminal, pause: float, keys: bool, steps: int | None) -> None:
        self.screen = screen
        self.pause, self.keys, self.left = pause, keys, steps
        self.number = self.turn = 0
        # For how long the program's clock has stood still.
        self.stood = 0.0
        self.began: float | None = None
        # Whose step is over, for how long it ran: drawn when all that follows from it is settled.
        self.left_behind: tuple[asyncio.Task[Any], float] | None = None
        self.resumed_at = 0.0
        # The tasks that have begun, in that order; and those that the last frame showed as READY.
        self.known: dict[asyncio.Task[Any], None] = {}
        self.ready: set[asyncio.Task[Any]] = set()
        self.outcomes: dict[asyncio.Task[Any], str] = {}
        self.completed: list[Row] = []

    def open(self) -> None:
        """Puts us between the loop and its tasks, and the program's clock under ours."""
        # Frames that stand would be told as blocks.
        os.environ["IRONLOOP_BLOCKED"] = "off"
        loops: Any = Loop
        create_task, run_once = loops.create_task, loops._run_once
        stands, show = self._clock(), self

        def shown_create_task(loop: Loop, coro: Any, **keywords: Any) -> Any:
            if show.is_shown() and asyncio.iscoroutine(coro) and not _is_housekeeping(coro):
                coro = _Steps(coro, show)
            return create_task(loop, coro, **keywords)

        def shown_run_once(loop: Loop) -> None:
            if show.is_shown():
                show.turn_begins(loop)
            run_once(loop)
            if show.is_shown():
                show.settle(loop)

        loops.create_task = shown_create_task
        loops._run_once = shown_run_once
        loops.time = lambda loop: stands()
        self.screen.open()
        atexit.register(self.screen.close)

    def _clock(self) -> Callable[[], float]:
        """The program's clocks, which stand still while a frame does."""
        real = time.monotonic
        self.real = real

        def slowed(clock: Callable[[], Any], scale: int) -> Callable[[], Any]:
            return lambda: clock() - (int(self.stood * scale) if scale > 1 else self.stood)

        for name in ("monotonic", "perf_counter"):
            setattr(time, name, slowed(getattr(time, name), 1))
            setattr(time, f"{name}_ns", slowed(getattr(time, f"{name}_ns"), 1_000_000_000))
        return time.monotonic

    def is_shown(self) -> bool:
        return self.left != 0 and threading.current_thread() is threading.main_thread()

    # What happens, in the order in which it does.

    def turn_begins(self, loop: Any) -> None:
        self.turn += 1
        if self.began is None:
            self.began = loop.time()
        self.settle(loop)
        woken = [task for task in _ready(loop) if task in self.known and task not in self.ready]
        if woken:
            names = ", ".join(task.get_name() for task in woken)
            self.draw(loop, f"SUSPENDED \u2192 READY: {names}")
        if loop._ready or loop._stopping:
            return
        due = min((when for when, _ in loop._timers()), default=None)
        if due is None:
            self.draw(loop, "nothing is READY and there is no timer: the loop waits for the system")
        elif due > loop.time():
            wait = _seconds(due - loop.time())
            self.draw(loop, f"nothing is READY: the loop waits {wait} for the first timer")

    def resumes(self) -> asyncio.Task[Any] | None:
        """A task gets control. Drawn after what the last one has left."""
        task = asyncio.current_task()
        if task is None or not self.is_shown():
            return None
        loop: Any = task.get_loop()
        self.settle(loop, resumed=task)
        new = task not in self.known
        self.known[task] = None
        how = "begins" if new else "goes on"
        self.draw(loop, f"READY \u2192 RUNNING: {task.get_name()} {how}")
        self.resumed_at = time.monotonic()
        return task

    def ended(self, task: asyncio.Task[Any] | None, outcome: str) -> None:
        if task is not None:
            self.outcomes[task] = outcome

    def returns(self, task: asyncio.Task[Any] | None) -> None:
        if task is not None:
            self.left_behind = task, time.monotonic() - self.resumed_at

    def settle(self, loop: Any, resumed: asyncio.Task[Any] | None = None) -> None:
        """Draws where the last step has left its task."""
        if self.left_behind is None:
            return
        (task, ran), self.left_behind = self.left_behind, None
        outcome = self.outcomes.pop(task, None)
        name = task.get_name()
        if outcome is not None:
            self.known.pop(task, None)
            self.completed.append(Row(name, _coroutine(task), outcome))
            text = f"RUNNING \u2192 COMPLETED: {name}, {outcome}"
        elif (state := next((one for one in tasks(loop) if one.task is task), None)) is None:
            return
        elif state.state == "SUSPENDED":
            text = f"RUNNING \u2192 SUSPENDED: {name} awaits {_about(state, self._due(loop))}"
        else:
            text = f"RUNNING \u2192 READY: {name} lets the others go first"
        if ran > _LONG:
            text += f"; it ran for {_seconds(ran)}, and nobody else could"
        self.draw(loop, text, resumed=resumed)

    # Drawing.

    def _due(self, loop: Any) -> dict[int, float]:
        now = loop.time()
        return {id(what): max(0.0, when - now) for when, what in loop._timers()}

    def draw(self, loop: Any, text: str, resumed: asyncio.Task[Any] | None = None) -> None:
        """Draws how all stand, and lets the frame stand. `resumed`: who is READY still, and runs next."""
        if not self.is_shown():
            return
        began = self.real()
        self.number += 1
        self.screen.draw(self._frame(loop, text, resumed))
        if self.left is not None:
            self.left -= 1
        self._stand()
        if self.left == 0:
            self.screen.close()
        self.stood += self.real() - began

    def _frame(self, loop: Any, text: str, resumed: asyncio.Task[Any] | None) -> Frame:
        now, due = loop.time(), self._due(loop)
        states = tasks(loop)
        frame = Frame(self.number, self.turn, now - (self.began or now), text)
        if resumed is not None:
            frame.ready.append(Row(resumed.get_name(), _coroutine(resumed)))
        by_task = {one.task: one for one in states}
        self.ready = {resumed} if resumed is not None else set()
        for handle in loop._ready:
            task = _task_of(handle)
            if task is not None and (one := by_task.get(task)) is not None:
                self.ready.add(task)
                frame.ready.append(Row(one.name, one.coroutine))
            elif isinstance(handle, asyncio.Handle) and not _is_internal(handle):
                frame.ready.append(Row(_callback(handle), "callback"))
        order = {task: number for number, task in enumerate(self.known)}
        for one in sorted(states, key=lambda one: order.get(one.task, len(order))):
            if one.state == "SUSPENDED":
                about = _about(one, due)
                frame.suspended.append(Row(one.name, one.coroutine, about, one.place))
            elif one.state == "RUNNING" and resumed is None:
                frame.running = Row(one.name, one.coroutine, "", one.place)
        for when, what in sorted(loop._timers(), key=lambda timer: timer[0]):
            sleeper = next((one.name for one in states if one.waits_for is what), None)
            frame.timers.append(Row(_seconds(max(0.0, when - now)), sleeper or _timer(what)))
        frame.completed = self.completed
        return frame

    def _stand(self) -> None:
        if isinstance(self.screen, Pipe):
            time.sleep(self.pause)
            return
        key = self.screen.key(None if self.keys else self.pause)
        while key is not None:
            match key:
                case "r":
                    self.keys = False
                case "+":
                    self.pause = max(0.05, self.pause / 1.5)
                case "-":
                    self.pause = min(30.0, self.pause * 1.5)
                case "f":
                    self.left = 0
                case "q" | "\x03":
                    self.left = 0
                    raise SystemExit(130)
                case " " | "\n" | "\r" | "n":
                    # Who steps by hand goes on by hand.
                    self.keys = True
                case _:
                    key = self.screen.key(None if self.keys else self.pause)
                    continue
            return


def _about(state: TaskState, due: dict[int, float]) -> str:
    """What a suspended task waits for."""
    what = state.reason or "future"
    left = due.get(id(state.waits_for))
    if left is not None:
        return f"{what}, {_seconds(left)} to go"
    if what == "task" and state.awaits:
        return f"task {state.awaits[0].name}"
    if what == "group of tasks" and state.awaits:
        tasks = "1 task" if len(state.awaits) == 1 else f"{len(state.awaits)} tasks"
        return f"{tasks}: {', '.join(one.name for one in state.awaits)}"
    if what == "lock" and state.awaits:
        return f"lock, held by {state.awaits[0].name}"
    return what


def _coroutine(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return getattr(coroutine, "__qualname__", None) or type(coroutine).__qualname__


def _ready(loop: Any) -> list[asyncio.Task[Any]]:
    """The tasks that are READY, in their order."""
    return [task for handle in loop._ready if (task := _task_of(handle)) is not None]


def _task_of(handle: Any) -> asyncio.Task[Any] | None:
    """Whose step a handle is, if any task's."""
    owner = getattr(getattr(handle, "_callback", None), "__self__", None)
    return owner if isinstance(owner, asyncio.Task) else None


def _is_housekeeping(coroutine: Any) -> bool:
    """What a runner runs at the end: none of the program's."""
    return getattr(coroutine, "__qualname__", "").startswith("BaseEventLoop.shutdown_")


def _is_internal(handle: asyncio.Handle) -> bool:
    """asyncio's own housekeeping, which would only confuse."""
    callback = getattr(handle, "_callback", None)
    module = getattr(callback, "__module__", None) or type(getattr(callback, "__self__", None)).__module__
    return callback is None or module.partition(".")[0] in ("asyncio", "_asyncio", "ironloop", "builtins")


def _callback(handle: asyncio.Handle) -> str:
    callback = handle._callback  # type: ignore[attr-defined]
    return f"{getattr(callback, '__qualname__', None) or type(callback).__qualname__}()"


def _timer(what: Any) -> str:
    if isinstance(what, asyncio.Handle):
        owner = getattr(getattr(what, "_callback", None), "__self__", None)
        return "a timeout" if isinstance(owner, asyncio.Timeout) else _callback(what)
    return "a timeout" if not isinstance(what, asyncio.Future) else "a sleep that nobody awaits"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s"


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception:
        text = object.__repr__(value)
    return text if len(text) <= 40 else f"{text[:39]}\u2026"
