"""Signals end the loop's sleep, so that Ctrl-C is seen at once, and reach handlers (`add_signal_handler`).

Python writes each signal's number to one descriptor of the process, the wakeup descriptor. While a loop runs
in the main thread that is one end of a socket pair, the other end of which the loop watches: without handlers
only to wake up, with handlers to read the numbers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

_NO_DESCRIPTOR = -1
# The wakeup descriptor that a loop has set last.
_latest = [_NO_DESCRIPTOR]


def _part_with_parent() -> None:
    previous = signal.set_wakeup_fd(_NO_DESCRIPTOR)
    if previous != _latest[0]:
        signal.set_wakeup_fd(previous)


if sys.version_info < (3, 12):
    # The signals of a forked child would be its parent's. Later on asyncio itself sees to that.
    os.register_at_fork(after_in_child=_part_with_parent)


class SignalWakeup:
    """The signals of a loop, below asyncio's own handling of them."""

    __slots__ = ()
    _ssock: socket.socket | None
    _csock: socket.socket | None
    _internal_fds: int

    def _make_self_pipe(self) -> None:
        # asyncio makes it with the loop; here the first run in the main thread does, or the first handler.
        self._ssock = self._csock = None
        self._internal_fds = 1  # the core's notifier

    def _open_self_pipe(self) -> socket.socket:
        loop: Any = self
        if self._csock is None:
            self._ssock, self._csock = socket.socketpair()
            self._ssock.setblocking(False)
            self._csock.setblocking(False)
            loop._watch_wakeups(self._ssock.fileno())
        return self._csock

    def _close_self_pipe(self) -> None:
        loop: Any = self
        self._internal_fds = 0
        if self._ssock is not None and self._csock is not None:
            if _latest[0] == self._csock.fileno():
                _latest[0] = _NO_DESCRIPTOR
            loop._remove_reader(self._ssock.fileno())
            self._ssock.close()
            self._csock.close()
            self._ssock = self._csock = None

    def _wake_on_signals(self) -> int | None:
        """Takes the wakeup descriptor for the time of a run; returns the one to give back, or None."""
        loop: Any = self
        if threading.current_thread() is not threading.main_thread():
            return None
        ours = self._open_self_pipe().fileno()
        try:
            previous = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
        except ValueError:
            # Not the main interpreter: signals are somebody else's.
            return None
        if previous not in (_NO_DESCRIPTOR, ours) and not loop._signal_handlers:
            # Somebody else's. Python's own handlers still run, if only when the loop wakes up.
            signal.set_wakeup_fd(previous)
            return None
        _latest[0] = ours
        return previous

    def _leave_signals(self, previous: int | None) -> None:
        loop: Any = self
        # Handlers keep the descriptor: a signal between two runs waits in it.
        if previous is not None and not loop._signal_handlers:
            signal.set_wakeup_fd(previous if previous != self._own_descriptor() else _NO_DESCRIPTOR)

    def _own_descriptor(self) -> int:
        return self._csock.fileno() if self._csock is not None else _NO_DESCRIPTOR

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:
        """Calls `callback(*args)` in the loop when the process gets the signal.

        Raises:
            RuntimeError: this is not the main thread, the signal cannot be caught, or the loop is closed.
            TypeError: `callback` is a coroutine function, or `sig` no int.
            ValueError: there is no such signal.

        Counterpart: asyncio's `loop.add_signal_handler`.
        """
        loop: Any = self
        loop._check_closed()
        self._open_self_pipe()
        assert self._ssock is not None
        if not loop._signal_handlers:
            # What has only ended a sleep so far must not be taken for a signal to handle.
            with contextlib.suppress(BlockingIOError):
                while self._ssock.recv(4096):
                    pass
        super().add_signal_handler(sig, callback, *args)  # type: ignore[misc]
        loop._add_reader(self._ssock.fileno(), loop._read_from_self)

    def remove_signal_handler(self, sig: int) -> bool:
        """Takes `add_signal_handler` back; False if there was none.

        Counterpart: asyncio's `loop.remove_signal_handler`.
        """
        loop: Any = self
        removed: bool = super().remove_signal_handler(sig)  # type: ignore[misc]
        if removed and not loop._signal_handlers and self._ssock is not None:
            loop._remove_reader(self._ssock.fileno())
            loop._watch_wakeups(self._ssock.fileno())
            if loop.is_running():
                signal.set_wakeup_fd(self._own_descriptor(), warn_on_full_buffer=False)
        return removed
