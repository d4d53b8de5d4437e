"""Name lookups, on threads of their own: a default executor full of work does not hold them up.

A name server may not answer for half a minute, and nothing can end a lookup before. So its thread is one that
the end of the process does not wait for. A thread looks up what waits and then ends: none idles, and a loop
that nobody has closed leaves none behind. The loop's thread and the lookups' threads share `Lookups`, under
its lock; a forked child makes its own.
"""

from __future__ import annotations

import os
import socket
import threading
from asyncio import base_events
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

# More lookups of a loop than this wait for their turn. Not a matter of cores, as in asyncio, for they mostly
# wait: it is what asyncio has on a machine with many.
_MOST = 32

_Lookup = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


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

        (asyncio: loop.getaddrinfo)
        """
        loop: Any = self
        # By asyncio's own name, for tests that replace it there.
        ask = base_events.socket.getaddrinfo  # type: ignore[attr-defined]
        lookup = loop._getaddrinfo_debug if loop.get_debug() else ask
        if _asks_nobody(host, port):
            return lookup(host, port, family, type, proto, flags)
        return await loop.run_in_executor(self._resolver(), lookup, host, port, family, type, proto, flags)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """Looks an address up without blocking the loop; what needs no lookup is answered at once.

        Raises:
            socket.gaierror: the address is unknown.

        (asyncio: loop.getnameinfo)
        """
        loop: Any = self
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        if flags & numeric == numeric:
            return socket.getnameinfo(sockaddr, flags)
        return await loop.run_in_executor(self._resolver(), socket.getnameinfo, sockaddr, flags)

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
    """What `run_in_executor` takes for an executor: a thread for each lookup, up to a number of them."""

    def __init__(self) -> None:
        # A forked child has no threads, and who knows who held the lock.
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._threads = 0
        self._waiting: deque[_Lookup] = deque()
        self._closed = False

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Calls the function in a thread, now or when one is free.

        Raises:
            RuntimeError: no thread can be started.
        """
        future: Future[Any] = Future()
        lookup = (future, function, arguments)
        with self._lock:
            if self._threads < _MOST:
                worker = threading.Thread(
                    target=self._work, args=(lookup,), name="ironloop-resolver", daemon=True
                )
                worker.start()
                self._threads += 1
            else:
                self._waiting.append(lookup)
        return future

    def close(self) -> None:
        """Nobody wants the answers any more: what waits never begins, and what runs ends when it ends."""
        with self._lock:
            self._closed = True
            forgotten = list(self._waiting)
            self._waiting.clear()
        for future, _, _ in forgotten:
            future.cancel()

    def _work(self, lookup: _Lookup | None) -> None:
        while lookup is not None:
            self._perform(*lookup)
            with self._lock:
                lookup = self._waiting.popleft() if self._waiting else None
                if lookup is None:
                    self._threads -= 1

    def _perform(self, future: Future[Any], function: Callable[..., Any], arguments: Any) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = function(*arguments)
        except BaseException as error:
            if not self._closed:
                future.set_exception(error)
            # The error's traceback holds this frame, which would hold the error.
            del future
        else:
            if not self._closed:
                future.set_result(result)


def _asks_nobody(host: Any, port: Any) -> bool:
    """Whether the lookup needs neither a name server nor the services file."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if isinstance(port, (str, bytes)) and not port.isdigit():
        return False
    if host is None:
        return True
    if not isinstance(host, str):
        return False
    for family, literal in ((socket.AF_INET, host), (socket.AF_INET6, host.partition("%")[0])):
        try:
            socket.inet_pton(family, literal)
        except (OSError, ValueError):
            continue
        return True
    return False
