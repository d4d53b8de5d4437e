"""Name lookups, on threads of their own: a default executor full of work does not hold them up.

A name server may not answer for half a minute, and nothing can end a lookup before. So its thread is one that
the end of the process does not wait for. A thread looks up what waits, and ends when nothing has come for a
while: a loop that nobody has closed leaves none behind. Names are asked by native threads, which need no turn
of Python's (`_ironloop.LookupThreads`). What Python has to do, because a tool has replaced it, or the name
is no plain one, is done in threads of Python's; the loop's thread and these share `Lookups`, under its
lock. A forked child makes its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from asyncio import base_events
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ironloop import addresses
from ironloop._ironloop import LookupThreads

if TYPE_CHECKING:
    from queue import SimpleQueue

# More lookups of a loop than this wait for their turn. Not a matter of cores, as in asyncio, for they mostly
# wait: it is what asyncio has on a machine with many.
_MOST = 32

# Seconds for which a thread waits for the next lookup. To start one takes longer than most lookups.
_PATIENCE = 0.5

# Loop, future, function, arguments; None: there will be no more.
_Lookup = tuple[Any, asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]]


class Resolver:
    """`getaddrinfo` and `getnameinfo` of a loop."""

    __slots__ = ()
    _lookups: Lookups | None

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """Looks a host up without blocking the loop; an address literal is answered at once.

        Raises:
            socket.gaierror: the host is unknown.

        Counterpart: asyncio's `loop.getaddrinfo`.
        """
        loop: Any = self
        # By asyncio's own name, for tests that replace it there.
        ask = base_events.socket.getaddrinfo  # type: ignore[attr-defined]
        if loop.get_debug():
            ask = loop._getaddrinfo_debug
        elif addresses.is_stock(ask):
            known = addresses.of_literal(host, port, family, type, proto, flags)
            if known is not None:
                return known
            ask = addresses.look_up
        if _asks_nobody(host, port):
            return ask(host, port, family, type, proto, flags)  # type: ignore[no-any-return]
        resolver = self._resolver()
        if ask is addresses.look_up:
            known = await resolver.ask(loop, host, port, family, type, proto, flags)
            if known is not None:
                return known
        return await resolver.submit(loop, ask, host, port, family, type, proto, flags)  # type: ignore[no-any-return]

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """Looks an address up without blocking the loop; what needs no lookup is answered at once.

        Raises:
            socket.gaierror: the address is unknown.

        Counterpart: asyncio's `loop.getnameinfo`.
        """
        loop: Any = self
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        if flags & numeric == numeric:
            return socket.getnameinfo(sockaddr, flags)
        return await self._resolver().submit(loop, socket.getnameinfo, sockaddr, flags)  # type: ignore[no-any-return]

    def _resolver(self) -> Lookups:
        lookups = self._lookups
        if lookups is None or lookups.process != os.getpid():
            lookups = self._lookups = Lookups()
        return lookups

    def _close_resolver(self) -> None:
        lookups, self._lookups = self._lookups, None
        if lookups is not None and lookups.process == os.getpid():
            lookups.close()


class Lookups:
    """A thread for each lookup, up to a number of them."""

    def __init__(self) -> None:
        # Not before somebody looks a name up: start-up does without.
        from queue import Empty, SimpleQueue

        # A forked child has no threads, and who knows who held the lock.
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._threads = 0
        self._waiting: SimpleQueue[_Lookup | None] = SimpleQueue()
        self._nothing = contextlib.suppress(Empty)
        # How many threads wait for a lookup, less those that wait for a thread.
        self._idle = 0
        self._closed = False
        # Threads that have nothing of Python's, for questions that the C library can read as they are.
        self._native: LookupThreads | None = None

    async def ask(self, loop: Any, *question: Any) -> list[Any] | None:
        """What `socket.getaddrinfo` answers; None if Python has to ask it."""
        if self._native is None:
            self._native = LookupThreads(loop, _MOST, _PATIENCE)
        future: asyncio.Future[list[Any]] = loop.create_future()
        try:
            number = self._native.ask(future, question)
        except (TypeError, OverflowError):
            # `_socket.getaddrinfo` says what is wrong with it.
            return None
        if number is None:
            return None
        try:
            answers = await future
        except BaseException:
            self._native.forget(number)
            raise
        return addresses.named(answers)

    def submit(self, loop: Any, function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
        """Calls the function in a thread, now or when one is free. Unless the future is cancelled before.

        Raises:
            RuntimeError: no thread can be started.
        """
        future: asyncio.Future[Any] = loop.create_future()
        with self._lock:
            if self._idle <= 0 and self._threads < _MOST:
                threading.Thread(target=self._work, name="ironloop-resolver", daemon=True).start()
                self._threads += 1
                self._idle += 1
            self._idle -= 1
            self._waiting.put((loop, future, function, arguments))
        return future

    def close(self) -> None:
        """Nobody wants the answers any more: what waits never begins, and what runs ends when it ends."""
        if self._native is not None:
            self._native.close()
        with self._lock:
            self._closed = True
            with self._nothing:
                while True:
                    self._waiting.get_nowait()
            for _ in range(self._threads):
                self._waiting.put(None)

    def _work(self) -> None:
        while (lookup := self._next()) is not None:
            self._perform(*lookup)
            # It is somebody's future.
            del lookup

    def _next(self) -> _Lookup | None:
        with self._nothing:
            return self._waiting.get(timeout=_PATIENCE)
        with self._lock:
            # One may have come meanwhile, in the belief that this thread takes it.
            with self._nothing:
                return self._waiting.get_nowait()
            self._idle -= 1
            self._threads -= 1
            return None

    def _perform(
        self, loop: Any, future: asyncio.Future[Any], function: Callable[..., Any], arguments: Any
    ) -> None:
        result, error = None, None
        if not self._closed and not future.done():
            try:
                result = function(*arguments)
            except BaseException as caught:
                error = caught
        # Who gets the answer may have the next question at once.
        with self._lock:
            self._idle += 1
        # A loop that is closed meanwhile refuses.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_deliver, future, result, error)
        # The error's traceback has this frame, which would hold the error.
        del future, error


def _deliver(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _asks_nobody(host: Any, port: Any) -> bool:
    """Whether the lookup needs neither a name server nor the services file."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if isinstance(port, (str, bytes)) and not port.isdigit():
        return False
    if host is None:
        return True
    if not isinstance(host, str) or not addresses.may_be_literal(host):
        return False
    for family, literal in ((socket.AF_INET, host), (socket.AF_INET6, host.partition("%")[0])):
        try:
            socket.inet_pton(family, literal)
        except (OSError, ValueError):
            continue
        return True
    return False
