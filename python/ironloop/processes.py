"""Child processes: asyncio's own transports; the exit of a child is seen through a descriptor of it (pidfd).

From Python 3.12 on asyncio does that by itself, where the system has pidfds, and else asks a thread. Python
3.11 takes a thread for each child, unless it is told otherwise.
"""

from __future__ import annotations

import os
import sys
from asyncio import events, unix_events
from typing import Any

from ironloop.loop import Loop


class ChildWatching:
    """How a loop learns of the exit of its children. It reaps no others, and leaves SIGCHLD alone."""

    __slots__ = ()

    def _child_watcher_callback(self, pid: int, returncode: int, transp: Any) -> None:
        loop: Any = self
        super(Loop, loop)._child_watcher_callback(pid, returncode, transp)
        # Some Pythons tell the transport a turn or two later.
        loop.call_soon_threadsafe(loop.call_soon, _end_waits, transp, returncode)

    if sys.version_info < (3, 12):

        async def _make_subprocess_transport(
            self,
            protocol: Any,
            args: Any,
            shell: bool,
            stdin: Any,
            stdout: Any,
            stderr: Any,
            bufsize: int,
            extra: Any = None,
            **kwargs: Any,
        ) -> Any:
            loop: Any = self
            popen = (protocol, args, shell, stdin, stdout, stderr, bufsize)
            if type(events.get_child_watcher()) is not unix_events.ThreadedChildWatcher or not _has_pidfd():
                # Somebody has chosen how.
                inherited = super(Loop, loop)._make_subprocess_transport
                return await inherited(*popen, extra=extra, **kwargs)
            waiter = loop.create_future()
            transport: Any = unix_events._UnixSubprocessTransport(
                loop, *popen, waiter=waiter, extra=extra, **kwargs
            )
            watcher = unix_events.PidfdChildWatcher()
            watcher.attach_loop(loop)
            watcher.add_child_handler(transport.get_pid(), loop._child_watcher_callback, transport)
            try:
                await waiter
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException:
                transport.close()
                await transport._wait()
                raise
            return transport


def _has_pidfd() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid(), 0))
    except OSError:
        return False
    return True


def _end_waits(transport: Any, returncode: int) -> None:
    """Tells who waits for the process. Older Pythons wait for its pipes, which a grandchild may have."""
    if waiters := getattr(transport, "_exit_waiters", None):
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(returncode)
        waiters.clear()
