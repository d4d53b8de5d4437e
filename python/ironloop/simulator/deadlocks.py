"""Who waits for what, when nothing will ever happen again."""

from __future__ import annotations

import asyncio
import os

from ironloop import watching

# What needs no words: the future says nothing that the task does not.
_PLAIN = (asyncio.Future, type(None))


def report(loop: asyncio.AbstractEventLoop) -> str:
    """Names the tasks that wait, each with the line where it stands, what it waits for, and who holds that;
    and those that wait for each other in a circle."""
    tasks = sorted(watching.tasks(loop), key=lambda one: (len(one.name), one.name))
    if not tasks:
        return "nothing will ever happen again: the loop has no task, no timer and no thread to wait for"
    lines = [_line(task) for task in tasks]
    circles = [_circle(circle) for circle in watching.deadlocks(loop)]
    return "\n".join(["nothing will ever happen again; these tasks wait:", *lines, *circles])


def _line(task: watching.TaskState) -> str:
    place = ""
    if task.place is not None:
        file, _, number = task.place.rpartition(":")
        place = f" at {os.path.basename(file)}:{number}"
    subject = "" if isinstance(task.waits_for, _PLAIN) else f" {task.waits_for!r}"
    by = ", ".join(sorted(other.name for other in task.awaits))
    kind = task.reason or "nothing"
    held = "held by " if kind in ("lock", "condition") else "so for "
    return f"  {task.name}{place} in {task.coroutine}, for {kind}{subject}{f', {held}{by}' if by else ''}"


def _circle(circle: list[watching.TaskState]) -> str:
    first = min(range(len(circle)), key=lambda index: circle[index].name)
    names = [task.name for task in circle[first:] + circle[:first]]
    return f"  a circle: {' waits for '.join([*names, names[0]])}"
