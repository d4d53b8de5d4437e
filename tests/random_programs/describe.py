"""What came of something, as a value to compare between runs: no addresses, no numbers of the process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

# How far the chain of causes and contexts of an exception is followed.
_DEPTH = 3

# What stands between `<` and its `>`: anything but those, and more such pairs.
_INSIDE = "[^<>]*"
for _ in range(4):
    _INSIDE = rf"[^<>]*(?:<{_INSIDE}>[^<>]*)*"
_FUTURE = re.compile(rf"<\w*(?:Task|Future)\b{_INSIDE}>")


class Describer:
    """For one run, whose tasks `label` names."""

    def __init__(self, label: Callable[[Any], str | None]) -> None:
        self._label = label

    def text(self, text: str) -> str:
        """A message or a repr without what differs from run to run."""
        # How a task writes itself names the callbacks inside asyncio; its own tests are about that.
        text = _FUTURE.sub("<future>", text)
        text = re.sub(r"<(?:\w+\.)*(\w+) object at 0x\w+", r"<\1", text)
        text = re.sub(r" at 0x\w+", "", text)
        return re.sub(r"\bTask-\d+", "Task-N", text)

    def value(self, value: Any) -> Any:
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case BaseException():
                return self.error(value)
            case tuple() | list():
                return tuple(map(self.value, value))
            case set() | frozenset():
                return tuple(sorted(map(self.value, value), key=repr))
        if asyncio.isfuture(value):
            return self._label(value) or "a future"
        return type(value).__name__

    def error(self, error: BaseException | None, depth: int = _DEPTH) -> Any:
        if error is None or depth == 0:
            return None
        chain = self.error(error.__cause__, depth - 1), self.error(error.__context__, depth - 1)
        return type(error).__name__, self.value(error.args), *chain
