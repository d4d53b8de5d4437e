"""What happened in a run, item by item, in words that are the same in each process: to tell of a failure, and
where it first differs from a run that passes.

A `Story` belongs to one run, and is written by the thread that runs it. It is kept only for the few runs of
which one is told: it costs some microseconds an item.
"""

from __future__ import annotations

import asyncio
import os
import re
import weakref
from typing import Any

from ironloop.watching import place_of

# What is kept: a run that is longer is told to here.
_MOST = 100_000
# What is told of the end, and of what two runs share.
_LAST = 8
_SHARED = 2

# How a run is made: nobody's program. And what is better said in words.
_OURS = frozenset(
    [
        "_run_until_complete_cb",
        "gather.<locals>._done_callback",
        "_chain_future.<locals>._call_check_cancel",
        "_chain_future.<locals>._set_state",
    ]
)
_WORDS = {"_Job.end": "a thread is done", "SimulatedLoop._begin_next": "a thread begins"}
_CLEANERS = frozenset(["shutdown_asyncgens", "shutdown_default_executor"])

_BY_NUMBER = re.compile(r"Task-\d+")


class Story:
    """The items of a run, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        # The program has ended: what follows is cleaning up.
        self.is_over = False
        # A task lives no longer by it.
        self._names: weakref.WeakKeyDictionary[asyncio.Task[Any], str] = weakref.WeakKeyDictionary()
        self._alike: dict[str, int] = {}

    def note(self, seconds: float, what: Any) -> None:
        """The item `what` was performed: a task, which has made a step, or a callback's name."""
        if not self.is_over and not _is_ours(what) and len(self.lines) < _MOST:
            self.lines.append(f"{seconds:10.6f}  {self.describe(what)}")

    def describe(self, what: Any) -> str:
        """What was done, and by whom."""
        if not isinstance(what, asyncio.Task):
            return _WORDS.get(what) or str(what).replace(".<locals>", "")
        name = self._name(what)
        if not what.done():
            place = place_of(what)
            if place is None:
                return f"{name} made a step"
            file, _, line = place.rpartition(":")
            return f"{name} ran to {os.path.basename(file)}:{line}"
        if what.cancelled():
            return f"{name} ended: it was cancelled"
        # Asked for the exception itself it would count as retrieved.
        error = getattr(what, "_exception", None)
        return f"{name} returned" if error is None else f"{name} raised {type(error).__name__}"

    def _name(self, task: asyncio.Task[Any]) -> str:
        """Its own, or its coroutine's with a number: asyncio's numbers go on from run to run."""
        if (known := self._names.get(task)) is not None:
            return known
        name = task.get_name()
        if _BY_NUMBER.fullmatch(name):
            coroutine = getattr(task.get_coro(), "__qualname__", None) or "task"
            coroutine = coroutine.rpartition(".<locals>.")[2]
            number = self._alike[coroutine] = self._alike.get(coroutine, 0) + 1
            name = f"{coroutine}() {number}"
        self._names[task] = name
        return name


def _is_ours(what: Any) -> bool:
    if isinstance(what, asyncio.Task):
        return getattr(what.get_coro(), "__name__", None) in _CLEANERS
    return what in _OURS


def shared(one: Story, other: Story) -> int:
    """How many items two runs have in common at the beginning."""
    count = 0
    for line, others in zip(one.lines, other.lines, strict=False):
        if line != others:
            break
        count += 1
    return count


def tell(failing: Story, passing: Story | None, is_undisturbed: bool) -> str:
    """The end of a run that fails, and where it first differs from one that passes.

    `is_undisturbed` says that it has no deviations.
    """
    lines = failing.lines
    told = [f"the last steps of {len(lines)}, each with the time when it was made:"]
    told += [f"  {line}" for line in lines[-_LAST:]]
    if passing is None:
        if is_undisturbed:
            told.append("it fails in asyncio's own order, where nobody interferes")
        return "\n".join(told)
    same = shared(failing, passing)
    if same < len(lines) or same < len(passing.lines):
        told.append(f"the nearest run that passes differs first in step {same + 1}:")
        told += [f"           {line}" for line in lines[max(0, same - _SHARED) : same]]
        told.append(f"    fails: {lines[same] if same < len(lines) else '(its end)'}")
        told.append(f"   passes: {passing.lines[same] if same < len(passing.lines) else '(its end)'}")
    else:
        told.append("the nearest run that passes makes the same steps")
    return "\n".join(told)
