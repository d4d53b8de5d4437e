"""Pipe transports, asyncio's own; and a pipe that was blocking is blocking again when they end.

Whether it blocks is a matter of the open file, which other processes and other descriptors may share: that of
a terminal is the shell's too. A transport needs one that does not block. With the last transport on it, with
the loop or with the process, the file becomes what it was.
"""

from __future__ import annotations

import atexit
import os
import threading
from asyncio import unix_events
from contextlib import suppress
from typing import Any


class Pipes:
    """How a loop makes pipe transports."""

    __slots__ = ()
    _pipe_modes: set[Mode]

    def _make_read_pipe_transport(self, *arguments: Any, **more: Any) -> Any:
        return _UnixReadPipeTransport(self, *arguments, **more)

    def _make_write_pipe_transport(self, *arguments: Any, **more: Any) -> Any:
        return _UnixWritePipeTransport(self, *arguments, **more)

    def _leave_pipes(self) -> None:
        for mode in list(self._pipe_modes):
            mode.give_back()


class Mode:
    """The mode of a pipe for as long as a transport has it. Loops of several threads may have the same."""

    def __init__(self, pipe: Any, of_loop: set[Mode]) -> None:
        fd = pipe.fileno()
        status = os.fstat(fd)
        self._pipe = pipe
        self._file = status.st_dev, status.st_ino
        self._of_loop = of_loop
        of_loop.add(self)
        with _lock:
            # Whether it is for us to make it so again.
            self._blocks = os.get_blocking(fd)
            _taken.add(self)

    def give_back(self) -> None:
        """Makes the pipe what it was; nothing, if that is done or is for the parent of a forked process."""
        self._of_loop.discard(self)
        with _lock:
            if self not in _taken:
                return
            _taken.remove(self)
            if self._blocks and self._set_blocking(True):
                for other in [mode for mode in list(_taken) if mode._file == self._file]:
                    # A file may be open twice. If it is one open file, this one blocks by now as well.
                    if other._is_blocking() and other._set_blocking(False):
                        other._blocks = True

    def _is_blocking(self) -> bool:
        # The pipe may be closed behind the transport.
        with suppress(OSError, ValueError):
            return os.get_blocking(self._pipe.fileno())
        return False

    def _set_blocking(self, blocking: bool) -> bool:
        with suppress(OSError, ValueError):
            os.set_blocking(self._pipe.fileno(), blocking)
            return True
        return False


# All that have not been given back. Under the lock; the collector may end a transport while we hold it.
_taken: set[Mode] = set()
_lock = threading.RLock()


def _forget() -> None:
    global _lock
    _lock = threading.RLock()
    _taken.clear()


@atexit.register
def _give_all_back() -> None:
    for mode in list(_taken):
        mode.give_back()


os.register_at_fork(after_in_child=_forget)


class _PipeTransport:
    """What is put before asyncio's transports."""

    _mode: Mode | None = None
    _loop: Any
    _pipe: Any = None

    def __init__(self, loop: Any, pipe: Any, *arguments: Any, **more: Any) -> None:
        self._mode = Mode(pipe, loop._pipe_modes)
        try:
            super().__init__(loop, pipe, *arguments, **more)  # type: ignore[call-arg]
        except BaseException:
            self._mode.give_back()
            raise

    def close(self) -> None:
        if self._pipe is not None and self._loop.is_closed():
            # Nobody is told. asyncio raises, also where a child's transport is collected late.
            self._closing = True
            pipe, self._pipe = self._pipe, None
            self._loop = self._protocol = None
            pipe.close()
        else:
            super().close()  # type: ignore[misc]

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        if self._mode is not None:
            self._mode.give_back()
        super()._call_connection_lost(exc)  # type: ignore[misc]

    def __del__(self) -> None:
        if self._mode is not None:
            self._mode.give_back()
        super().__del__()  # type: ignore[misc]


# Under asyncio's names, which they show.
class _UnixReadPipeTransport(_PipeTransport, getattr(unix_events, "_UnixReadPipeTransport", object)):  # type: ignore[misc]
    pass


class _UnixWritePipeTransport(_PipeTransport, getattr(unix_events, "_UnixWritePipeTransport", object)):  # type: ignore[misc]
    pass
