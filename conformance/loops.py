"""Puts ironloop where CPython's suite takes what is asyncio's, and counts the loops that are made.

The suite asks `asyncio.new_event_loop`, the default policy, `asyncio.EventLoop` and
`asyncio.SelectorEventLoop(selector)`; where time matters to it, `TestLoop` of its own `utils`, whose clock a
generator moves. Queues, locks, `gather`… it finds by asyncio's names: ironloop's are there, unless
`IRONLOOP_NATIVE=0`.
"""

from __future__ import annotations

import asyncio
import unittest
from asyncio import unix_events
from collections.abc import Callable, Generator, Iterator
from types import ModuleType
from typing import Any

import ironloop
from ironloop import names
from ironloop.private import is_wanted

made = 0  # ironloop loops so far


class Loop(ironloop.Loop):
    """ironloop's, with the selector argument of asyncio's; it has no selector to give it to."""

    def __init__(self, selector: Any = None) -> None:
        global made
        made += 1
        super().__init__()


class EventLoopPolicy(ironloop.EventLoopPolicy):
    _loop_factory = Loop


class ClockedLoop(Loop):
    """`TestLoop` on ironloop: after a turn, the test's generator says for each timer how far time moves."""

    def __init__(self, generator: Callable[[], Generator[float | None, float, None]] | None = None) -> None:
        self._now = 0.0
        super().__init__()
        self._clock_resolution = 1e-9
        self._generator = generator() if generator is not None else _no_time()
        self._must_end = generator is not None
        next(self._generator)
        self._deadlines: list[float] = []

    def time(self) -> float:
        return self._now

    def advance_time(self, seconds: float | None) -> None:
        self._now += seconds or 0

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        self._deadlines.append(when)
        return super().call_at(when, callback, *args, context=context)

    def _run_once(self) -> None:
        super()._run_once()
        deadlines, self._deadlines = self._deadlines, []
        for when in deadlines:
            self.advance_time(self._generator.send(when))

    def close(self) -> None:
        super().close()
        if self._must_end:
            try:
                self._generator.send(0)
            except StopIteration:
                return
            raise AssertionError("Time generator is not finished")


def _no_time() -> Generator[float | None, float, None]:
    yield None


# These look into TestLoop's books of readers and writers, which only a loop with a selector keeps.
_KEEP_TEST_LOOP = {"test_unix_events", "test_subprocess"}


def install(module: str) -> None:
    """Before the suite's module is imported: `module` is its last name, as `test_events`."""
    for namespace in (asyncio, unix_events):
        _replace(namespace, "SelectorEventLoop", Loop)
        _replace(namespace, "EventLoop", Loop)
        _replace(namespace, "DefaultEventLoopPolicy", EventLoopPolicy)
        _replace(namespace, "_DefaultEventLoopPolicy", EventLoopPolicy)
    if module not in _KEEP_TEST_LOOP:
        from test.test_asyncio import utils

        utils.TestLoop = ClockedLoop  # type: ignore[attr-defined]
    if is_wanted():
        names.put()


def _replace(namespace: ModuleType, name: str, value: object) -> None:
    # From Python 3.14 on the policies are there under another name, and warn under the old one.
    if name in vars(namespace):
        setattr(namespace, name, value)


def each(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """The tests of a suite, in its order."""
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from each(item)
        else:
            yield item
