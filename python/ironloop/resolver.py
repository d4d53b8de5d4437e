"""Name lookups, on threads of their own: a default executor full of work does not hold them up."""

from __future__ import annotations

import socket
from asyncio import base_events
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# More lookups than this wait for their turn.
_THREADS = 8


class Resolver:
    """`getaddrinfo` and `getnameinfo` of a loop."""

    __slots__ = ()
    _resolver_threads: ThreadPoolExecutor | None

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

    def _resolver(self) -> ThreadPoolExecutor:
        if self._resolver_threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._resolver_threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ironloop-resolver")
        return self._resolver_threads

    def _close_resolver(self) -> None:
        if self._resolver_threads is not None:
            self._resolver_threads.shutdown(wait=False, cancel_futures=True)
            self._resolver_threads = None


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
