"""Whose turn it is with a file, and the calls that are made for it.

One operation at a time has the turn, first come, first served. It is over when its last call is, though its
task may have been cancelled meanwhile: so what is written is written in order, and a closed descriptor is
nobody's. All of it belongs to the loop in which the file is used.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterator
from types import coroutine
from typing import Any

from ironloop import _ironloop
from ironloop.files.workers import Call, Workers


@coroutine
def turn_of_the_loop() -> Generator[None, None, None]:
    """Lets the loop turn once: then its thread may read at once again."""
    yield
    _ironloop.renew_budget(asyncio._get_running_loop())


class _Nothing:
    """To be awaited, by whomever and again and again: it is over at once."""

    _over: Iterator[Any] = iter(())

    def __await__(self) -> Generator[Any, None, None]:
        return self._over  # type: ignore[return-value]


_NOTHING = _Nothing()


class Turns:
    """One operation's after another's: `async with`, which makes no coroutine where nobody waits."""

    __slots__ = ("_call", "_line", "_workers", "closed", "taken")

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        # An operation has it, or the file is closed: nothing is done at once.
        self.taken = False
        self.closed = False
        self._line: deque[asyncio.Future[None]] = deque()
        # What the operation that has the turn waits for.
        self._call: Call | None = None

    def __aenter__(self) -> Awaitable[None]:
        if self.taken:
            return self._wait()
        self.taken = True
        return _NOTHING

    async def _wait(self) -> None:
        if self.closed and self._call is None:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter.cancelled():
                self._line.remove(waiter)
            else:
                self._pass_on()
            raise

    def __aexit__(self, *_: object) -> Awaitable[None]:
        if self._call is None:
            self._pass_on()
        else:
            self._call.then = self._over
        return _NOTHING

    def _over(self) -> None:
        self._call = None
        self._pass_on()

    def _pass_on(self) -> None:
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.taken = self.closed

    async def call(
        self, function: Callable[..., Any], /, *arguments: Any, commit: Callable[[Any], Any] | None = None
    ) -> Any:
        """Calls a function in a thread. Once it has begun it is committed, whoever is cancelled."""
        loop = asyncio.get_running_loop()
        call = self._call = self._workers.submit(loop, function, *arguments, commit=commit)
        try:
            result = await call.future
        except BaseException:
            if call.over or self._workers.drop(call):
                self._call = None
            raise
        self._call = None
        return result

    async def finish(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """The same for what is called and waited for in any case; a cancellation comes afterwards."""
        future = self._workers.submit(asyncio.get_running_loop(), function, *arguments).future
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            # That it failed is less than that.
            future.exception()
            raise cancelled
        return future.result()
