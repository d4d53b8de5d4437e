"""Threads for calls that wait for a disk: of their own, bounded, and none holds up the end of the process.

A call is made by the loop's thread and taken by a worker; what it came to goes back to the loop, which is
where `commit` is called. So a file's state is only ever touched there. One who is cancelled leaves a call
that has begun: it ends, is committed, and tells `then`. A worker ends when nothing has come for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

# More calls at once than this wait for their turn. They wait for disks, so it is no matter of cores.
MOST = 32

# Seconds for which a worker waits for the next call.
_PATIENCE = 2.0


class Call:
    """A function that is called in a thread, and what it came to.

    Waiting, then begun by a worker or dropped, then over. The worker's thread writes `_begun`, under the
    workers' lock; all else is the loop's.
    """

    __slots__ = ("_arguments", "_begun", "_commit", "_function", "_loop", "future", "over", "then")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        commit: Callable[[Any], Any] | None,
    ) -> None:
        self._loop = loop
        self._function = function
        self._arguments = arguments
        self._commit = commit
        self._begun = False
        self.over = False
        self.future: asyncio.Future[Any] = loop.create_future()
        # Called when it is over, whoever still waits for it.
        self.then: Callable[[], None] | None = None

    def perform(self) -> None:
        """By a worker."""
        result, error = None, None
        try:
            result = self._function(*self._arguments)
        except BaseException as caught:
            error = caught
        self._tell(result, error)
        # The error's traceback has this frame, which would hold the error.
        del error

    def fail(self, error: BaseException) -> None:
        """By who finds that no worker will perform it."""
        self._tell(None, error)

    def _tell(self, result: Any, error: BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._end, result, error)
        except RuntimeError:
            # The loop is closed, and nobody waits; but the file may have another loop one day.
            self._end(result, error)
        del error

    def _end(self, result: Any, error: BaseException | None) -> None:
        if error is None and self._commit is not None:
            try:
                result = self._commit(result)
            except BaseException as caught:
                error = caught
        self.over = True
        then, future = self.then, self.future
        if not future.done() and not self._loop.is_closed():
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        if then is not None:
            then()
        del error


class Workers:
    """A thread for each call, up to a number of them.

    To start one is to wait until it runs, which takes the loop's thread a third of a millisecond. So a thread
    that does nothing else starts them, and the loop waits for the start of that one only.
    """

    def __init__(self, name: str, most: int = MOST) -> None:
        self._name = name
        self._most = most
        self._begin()

    def _begin(self) -> None:
        # A forked child has no threads, and who knows who held the lock.
        self._process = os.getpid()
        lock = threading.Lock()
        # For workers: a call waits. For the starter: a worker is lacking.
        self._called = threading.Condition(lock)
        self._lacking = threading.Condition(lock)
        self._threads = 0
        self._idle = 0
        # Started, and has not looked for a call yet.
        self._fresh = 0
        # What stands for the thread that starts the others: one that finds another here ends.
        self._starter: object | None = None
        self._waiting: deque[Call] = deque()

    def submit(
        self,
        loop: asyncio.AbstractEventLoop,
        function: Callable[..., Any],
        /,
        *arguments: Any,
        commit: Callable[[Any], Any] | None = None,
    ) -> Call:
        """Calls the function in a thread, now or when one is free.

        Raises:
            RuntimeError: no thread can be started.
        """
        if self._process != os.getpid():
            self._begin()
        call = Call(loop, function, arguments, commit)
        starter = None
        with self._called:
            self._waiting.append(call)
            if not self._lacks_one():
                self._called.notify()
            elif self._starter is not None:
                self._lacking.notify()
            else:
                starter = self._starter = object()
        if starter is not None:
            self._begin_to_start(starter, call)
        return call

    def _begin_to_start(self, starter: object, call: Call) -> None:
        """By the loop's thread, for this call and what others wait by then."""
        try:
            threading.Thread(target=self._start, args=(starter,), name=self._name, daemon=True).start()
        except BaseException as error:
            # An interrupt may come when the thread runs, or is about to: then it ends, or has begun a worker.
            with self._called:
                if self._starter is starter:
                    self._starter = None
                # Where there is none to be had, those that there are do it.
                if not (isinstance(error, RuntimeError) and self._threads):
                    with contextlib.suppress(ValueError):
                        self._waiting.remove(call)
                    raise

    def _lacks_one(self) -> bool:
        """By who has the lock."""
        return self._threads < self._most and self._idle + self._fresh < len(self._waiting)

    def _start(self, starter: object) -> None:
        """By the starter: a worker each time that one is lacking."""
        while self._waits_for_lack(starter):
            try:
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
            except Exception as error:
                self._failed(error)

    def _waits_for_lack(self, starter: object) -> bool:
        with self._lacking:
            while self._starter is starter:
                if self._lacks_one():
                    self._threads += 1
                    self._fresh += 1
                    return True
                if not self._lacking.wait(_PATIENCE) and not self._lacks_one():
                    self._starter = None
        return False

    def _failed(self, error: Exception) -> None:
        """No worker can be started: those that there are do it; where there are none, nobody does."""
        with self._lacking:
            self._threads -= 1
            self._fresh -= 1
            # The next call tries again.
            self._starter = None
            left = [] if self._threads else list(self._waiting)
            for call in left:
                call._begun = True
                self._waiting.remove(call)
        for call in left:
            call.fail(error)

    def drop(self, call: Call) -> bool:
        """Nobody wants it any more: whether it never begins. Else it ends when it ends."""
        with self._called:
            if not call._begun:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(call)
            return not call._begun

    def _work(self) -> None:
        is_fresh = True
        while (call := self._next(is_fresh)) is not None:
            is_fresh = False
            call.perform()
            # It is somebody's future.
            del call

    def _next(self, is_fresh: bool) -> Call | None:
        with self._called:
            self._fresh -= is_fresh
            if not self._waiting:
                self._idle += 1
                self._called.wait_for(self._waiting.__len__, _PATIENCE)
                self._idle -= 1
                if not self._waiting:
                    self._threads -= 1
                    return None
            call = self._waiting.popleft()
            call._begun = True
            return call


disks = Workers("ironloop-file")
# For what may wait for ever: pipes, terminals, whatever is no file. They are not to be in a disk's way.
others = Workers("ironloop-pipe", 2 * MOST)


async def run(function: Callable[..., Any], /, *arguments: Any, workers: Workers = disks) -> Any:
    """Calls a function in a thread. One that is cancelled before a thread has begun is never called."""
    call = workers.submit(asyncio.get_running_loop(), function, *arguments)
    try:
        return await call.future
    except BaseException:
        workers.drop(call)
        raise
