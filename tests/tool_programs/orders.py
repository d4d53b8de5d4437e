"""A tool and ironloop come and go in each order; a check runs after each step; then all is as before.

A program here is run with two words, `ironloop` or `tool`: who comes first, and who goes first.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import ironloop


def names() -> dict[tuple[str, str], Any]:
    """All that asyncio and its modules have, and the methods of their classes."""
    found = {}
    for module_name, module in list(sys.modules.items()):
        if module_name.split(".")[0] == "asyncio":
            for name, value in vars(module).items():
                found[module_name, name] = value
                if isinstance(value, type) and value.__module__.startswith("asyncio"):
                    found |= {(value.__qualname__, method): own for method, own in vars(value).items()}
    # What the classes of all classes keep, and what belongs to a run.
    passing = ("__warningregistry__", "__dict__", "__weakref__", "__annotations__", "_event_loop_policy")
    return {key: value for key, value in found.items() if key[1] not in passing}


def come_and_go(
    instrument: Callable[[], object], uninstrument: Callable[[], object], check: Callable[[bool, bool], None]
) -> None:
    """`check(ours, traced)`: whether ironloop is installed, and whether the tool is there."""
    comes_first, goes_first = sys.argv[1:]
    before = names()
    there: set[str] = set()

    def come(who: str) -> None:
        {"ironloop": ironloop.install, "tool": instrument}[who]()
        there.add(who)

    def go(who: str) -> None:
        {"ironloop": ironloop.uninstall, "tool": uninstrument}[who]()
        there.discard(who)

    for step, first in ((come, comes_first), (go, goes_first)):
        for who in (first, "tool" if first == "ironloop" else "ironloop"):
            step(who)
            check("ironloop" in there, "tool" in there)
    after = names()
    changed = [key for key in before if after.get(key) is not before[key]]
    assert not changed, changed
    print("as before")


def is_ours() -> bool:
    """Whether ironloop runs, and its tasks."""
    return isinstance(asyncio.get_running_loop(), ironloop.Loop)
