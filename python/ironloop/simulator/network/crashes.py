"""What becomes of a host's code when the host crashes: what of a killed process. It runs no further.

Its tasks make no step more, its timers and callbacks are dropped, its sockets are exchanged for ones that
nobody ever speaks to. No `finally` runs: coroutines that were suspended are kept until the simulation is
over, and closed then, where nobody hears of it. Called by the loop's thread.
"""

from __future__ import annotations

import _asyncio
import _socket
import asyncio
import contextlib
import gc
import os
import socket
from typing import TYPE_CHECKING, Any

from ironloop.simulator.network.hosts import _current, _outlived, host_of, outlived

if TYPE_CHECKING:
    from ironloop.simulator.network.fabric import Fabric
    from ironloop.simulator.network.hosts import Host


class Graves:
    """What crashed hosts have left, in one loop."""

    def __init__(self) -> None:
        # What the program had: what it was about to do, and its sockets, which lead nowhere.
        self._coroutines: list[Any] = []
        self._transports: list[Any] = []
        self._sockets: list[socket.socket] = []
        # What stands in their place.
        self._quiet: tuple[_socket.socket, _socket.socket] | None = None

    def bury(self, fabric: Fabric, host: Host) -> None:
        """`host` has crashed."""
        loop: Any = fabric.loop
        for task in sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name())):
            if host_of(task) is host:
                if task is asyncio.current_task(loop):
                    # It ends with this step.
                    fabric.call_soon(self._bury_task, task, host)
                else:
                    self._bury_task(task, host)
        for handle in (*loop._ready, *loop._scheduled):
            if _is_of(host, getattr(handle, "_context", None)):
                handle.cancel()
        if _current.get(None) is host:
            # Its own code runs, to where it waits next, and may make more until then.
            crash = object()
            _outlived.set(crash)
            fabric.call_soon(self._bury_rest, loop, host, crash)
        self._exchange(fabric, host)

    def _bury_rest(self, loop: Any, host: Host, crash: object) -> None:
        """What was made by code that had crashed its own host."""
        for task in sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name())):
            if host_of(task) is host and outlived(task) is crash:
                self._bury_task(task, host)
        for handle in (*loop._ready, *loop._scheduled):
            context: Any = getattr(handle, "_context", None)
            if _is_of(host, context) and context.get(_outlived) is crash:
                handle.cancel()

    def _bury_task(self, task: asyncio.Task[Any], host: Host) -> None:
        if task.done():
            return
        waiter: Any = task._fut_waiter  # type: ignore[attr-defined]
        for callback, _ in list(getattr(waiter, "_callbacks", None) or ()):
            if getattr(callback, "__self__", None) is task:
                waiter.remove_done_callback(callback)
        for callback, context in list(task._callbacks or ()):
            if _is_of(host, context):
                task.remove_done_callback(callback)
        self._coroutines.append(task.get_coro())
        # Who waits for it elsewhere hears that it is gone. Its coroutine does not: it is no task's `cancel`.
        future: Any = _asyncio.Future if isinstance(task, _asyncio.Future) else asyncio.futures._PyFuture
        future.cancel(task, f"{host.name} has crashed")

    def _exchange(self, fabric: Fabric, host: Host) -> None:
        """Its descriptors stay open, and nothing will ever happen on them."""
        if self._quiet is None:
            self._quiet = _socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        from ironloop.simulator.network.sockets import sockets_of

        loop: Any = fabric.loop
        self._sockets += sockets_of(host)
        ours, bound = fabric.names_of(host), fabric.prefixes_of(host)
        known = {sock.fileno() for sock in self._sockets}
        hidden = set()
        for fd in map(int, os.listdir("/proc/self/fd")):
            own, peer = _names(fd)
            if peer in ours or own.startswith(bound):
                if (transport := loop._transport_of(fd)) is not None:
                    self._transports.append(transport)
                elif fd not in known:
                    hidden.add(fd)
                os.dup2(self._quiet[0].fileno(), fd, inheritable=False)
        if hidden:
            # One that does not read now is not watched, so the loop does not know it.
            self._transports += [
                found
                for found in gc.get_objects()
                if type(found).__name__ == "StreamTransport"
                and found.get_extra_info("socket").fileno() in hidden
            ]

    def clear(self) -> None:
        """The simulation is over, and its loop closed: nobody hears of what is closed now."""
        for transport in self._transports:
            with contextlib.suppress(Exception):
                transport.abort()
        for coroutine in self._coroutines:
            # Whatever its `finally` does comes too late.
            with contextlib.suppress(BaseException):
                coroutine.close()
        for sock in self._sockets:
            sock.close()
        for quiet in self._quiet or ():
            quiet.close()
        self.__init__()  # type: ignore[misc]


def _is_of(host: Host, context: Any) -> bool:
    return context is not None and context.get(_current) is host


def _names(fd: int) -> tuple[bytes, bytes]:
    """By which the kernel knows a socket, and its peer; empty where it has none."""
    try:
        sock = _socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fd)
    except OSError:
        return b"", b""
    try:
        return _asked(sock.getsockname), _asked(sock.getpeername)
    finally:
        sock.detach()


def _asked(name: Any) -> bytes:
    try:
        known = name()
    except OSError:
        return b""
    return known if type(known) is bytes else b""
