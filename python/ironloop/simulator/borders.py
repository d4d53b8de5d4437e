"""Where a simulation ends: what would reach out of it raises `Escape` where it happens.

The interpreter tells of such calls by its audit events. The hook cannot be taken back, so it is added with
the first simulation, and asks whether the thread that calls simulates.
"""

from __future__ import annotations

import _socket
import asyncio
import contextlib
import socket
import sys
import threading
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any

from ironloop.simulator import sets
from ironloop.simulator.errors import Escape

# The threads that simulate, those that do a job for one of them, and those that it has begun.
_inside: set[int] = set()
_working: set[int] = set()
_begun: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_is_guarded = False

_PROCESSES = frozenset(
    ["subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"]
)
_SOCKETS = frozenset(["socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"])
_LOOKUPS = frozenset(["socket.getaddrinfo", "socket.gethostbyname"])
_THREADS = frozenset(["_thread.start_new_thread", "_thread.start_joinable_thread"])
_REVERSE_LOOKUPS = frozenset(["socket.gethostbyaddr", "socket.getnameinfo"])


def guard() -> None:
    """Adds the hook, once in a process."""
    global _is_guarded
    if not _is_guarded:
        _is_guarded = True
        sys.addaudithook(_hear)
        if sys.version_info < (3, 12):
            _hear_of_threads()


def check() -> None:
    """
    Raises:
        Escape: the calling thread simulates already.
    """
    if simulates():
        raise Escape("a simulation runs in this thread already")


def simulates() -> bool:
    """Whether the calling thread does."""
    return threading.get_ident() in _inside


@contextlib.contextmanager
def closed() -> Iterator[None]:
    """The calling thread simulates; errors as `check`."""
    check()
    sets.order_known(simulates)
    thread = threading.get_ident()
    _inside.add(thread)
    try:
        yield
    finally:
        _inside.discard(thread)


@contextlib.contextmanager
def working() -> Iterator[None]:
    """The calling thread does a job for one that simulates: it reaches nothing outside either."""
    thread = threading.get_ident()
    _working.add(thread)
    try:
        yield
    finally:
        _working.discard(thread)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _inside:
        return
    thread = threading.get_ident()
    if thread not in _inside:
        if thread not in _working and not _is_begun(thread):
            return
        if event in _SOCKETS and not _is_inside(arguments[0]):
            raise Escape(
                f"{event}{arguments[1:]!r} in a thread: only the loop's thread has simulated sockets"
            )
    if event == "import":
        sets.order(arguments[0], simulates)
    if event in _THREADS:
        _tell_of_thread(getattr(arguments[0], "__self__", None))
    if event in _PROCESSES and not _is_importing():
        raise Escape(f"{event}: a process is outside of the simulation")
    if event in _SOCKETS and not _is_inside(arguments[0]):
        raise Escape(f"{event}{arguments[1:]!r}: a real address is outside of the simulation")
    if event in _REVERSE_LOOKUPS or (event in _LOOKUPS and not _asks_nobody(arguments[0])):
        raise Escape(f"{event}{arguments!r}: a real name server is outside of the simulation")


def _is_importing() -> bool:
    """Whether it is for a module that is being imported: some look for their C libraries by a process."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _hear_of_threads() -> None:
    """Python 3.11 tells of none that begins."""
    start: Any = threading._start_new_thread  # type: ignore[attr-defined]

    def start_new_thread(function: Any, *arguments: Any, **named: Any) -> Any:
        _hear("_thread.start_new_thread", (function,))
        return start(function, *arguments, **named)

    threading._start_new_thread = start_new_thread  # type: ignore[attr-defined]


def _tell_of_thread(thread: Any) -> None:
    """A thread begins, which the loop may have to wait for."""
    note = getattr(asyncio._get_running_loop(), "_note_thread", None)
    if note is not None and isinstance(thread, threading.Thread):
        _begun.add(thread)
        note(thread)


def _is_begun(ident: int) -> bool:
    """Whether a thread was begun in a simulation."""
    thread = threading._active.get(ident)  # type: ignore[attr-defined]
    return thread is not None and thread in _begun


def check_descriptor(fd: Any) -> None:
    """
    Raises:
        Escape: it is a socket of the internet, which a C library has made: no other is one in a simulation.
    """
    number = fd if isinstance(fd, int) else fd.fileno()
    try:
        sock = _socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=number)
    except OSError:
        return
    try:
        family = sock.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN)
    except OSError:
        return
    finally:
        sock.detach()
    if family in (socket.AF_INET, socket.AF_INET6):
        raise Escape(
            f"descriptor {number} is a real socket, of a C library or from outside of the simulation"
        )


def check_socket(sock: Any) -> None:
    """
    Raises:
        Escape: it is one of the internet, made outside of the simulation.
    """
    if not _is_inside(sock):
        raise Escape(f"{sock!r} was made outside of the simulation")


def _is_inside(sock: Any) -> bool:
    # The kernel's UNIX sockets are; so are those that stand for others.
    return getattr(type(sock), "_is_simulated", False) or sock.family == socket.AF_UNIX


def _asks_nobody(host: Any) -> bool:
    """Whether it is an address, or none at all."""
    if host is None or host in ("", b""):
        return True
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, TypeError, ValueError):
            socket.inet_pton(family, host)
            return True
    return False
