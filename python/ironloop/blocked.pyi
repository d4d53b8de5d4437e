import asyncio
import logging
from collections.abc import Callable, Iterable
from traceback import StackSummary
from typing import Any, TypeVar

_C = TypeVar("_C", bound=Callable[[Blocked], object])

logger: logging.Logger

class Blocked:
    __slots__ = (
        "awaiters",
        "callbacks",
        "collecting",
        "coroutine",
        "cpu",
        "duration",
        "loop",
        "rust",
        "stack",
        "task",
        "text",
    )
    loop: asyncio.AbstractEventLoop
    text: str
    duration: float
    cpu: float | None
    collecting: float
    callbacks: int
    task: str | None
    coroutine: str | None
    awaiters: list[str]
    stack: StackSummary
    rust: str | None
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        text: str,
        duration: float,
        cpu: float | None,
        collecting: float,
        callbacks: int,
        task: str | None,
        coroutine: str | None,
        awaiters: list[str],
        stack: Iterable[tuple[str, int, str]],
        rust: str | None = None,
    ) -> None: ...

def add_blocked_callback(callback: _C) -> _C: ...
def remove_blocked_callback(callback: Callable[[Blocked], object]) -> int: ...
def tell(loop: asyncio.AbstractEventLoop, *facts: Any) -> None: ...
