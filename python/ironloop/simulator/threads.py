"""Threads that are no executor's: anyio's workers, those of `ironloop.open`, those that a program starts.

Nobody tells the loop when such a thread works. So before each turn it stands still until all of them rest:
until each waits for a lock, of which the kernel tells (a queue, a condition, a future's result). What they
say meanwhile (`call_soon_threadsafe`) is kept, and heard in an order and at times that chance chooses, the
words of one thread in theirs. All of them, and the loop's own, share one processor as long as it runs: of a
thread that is woken elsewhere nobody can tell for a while that it does not rest any more. A thread that waits
for something else, a peer or a `time.sleep`, is waited for as well, but not for longer than a second, and
then no more until it goes on: its seed does not rule that run, and the report says so. One that computes, or
waits for a disk, is waited for as long as it takes.

A thread is known from its start in a simulation, or from its first word. The loop's thread owns all of this,
but for `know` and `Threads.say`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

# By thread, in which order they were met. Of all simulations of this process: a worker may rest from one to
# the next.
_known: dict[threading.Thread, int] = {}
_lock = threading.Lock()
_numbers = itertools.count()

# For how long one is waited for that does not rest, in seconds of real time.
PATIENCE = 1.0
# How long it is from one look to the next, at first and where nothing has come of many.
_SHORTEST, _LONGEST = 0.00005, 0.002
# While there are threads: one that is not the loop's gets Python's lock where the loop waits, and hardly
# elsewhere.
SWITCH_INTERVAL = 0.5

# The number of the system call by which a thread waits for a lock.
_FUTEX = {"x86_64": b"202", "aarch64": b"98"}.get(platform.machine(), b"?")

# Nobody ever lets go of it: to wait for it takes real time, as no function of `time` does in a simulation.
_never = threading.Lock()
_never.acquire()


def know(thread: threading.Thread) -> None:
    with _lock:
        if thread not in _known:
            _known[thread] = next(_numbers)


def alive() -> list[threading.Thread]:
    """Those that have not ended, in the order in which they were met."""
    with _lock:
        for thread in [thread for thread in _known if thread.ident is not None and not thread.is_alive()]:
            del _known[thread]
        return [thread for thread in _known if thread.ident is not None]


def share_a_processor() -> set[int]:
    """For the loop's thread: it and all of them run on one processor from now on.

    Those on which it ran; none if they cannot be chosen here.
    """
    try:
        usual = os.sched_getaffinity(0)
        # Processes that simulate side by side take others.
        _run_on({sorted(usual)[os.getpid() % len(usual)]})
    except (AttributeError, OSError):
        return set()
    return usual


def part(usual: set[int]) -> None:
    """They do not any more."""
    with contextlib.suppress(OSError):
        _run_on(usual)


def _run_on(processors: set[int]) -> None:
    os.sched_setaffinity(0, processors)
    for thread in alive():
        # It may have ended meanwhile.
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(thread.native_id or 0, processors)


class Threads:
    """Those that a loop stands still for."""

    def __init__(
        self,
        choose: Callable[[int], int],
        call_later: Callable[..., Any],
        longest: int,
        tell: Callable[[str], object],
    ) -> None:
        self._choose = choose
        # Of what the seed does not rule.
        self._tell = tell
        self._call_later = call_later
        # How long a word may be on its way, in milliseconds.
        self._longest = longest
        # By thread: what the loop has not heard, and what it has heard and not done.
        self._said: dict[threading.Thread, list[Any]] = {}
        self._heard: dict[threading.Thread, deque[Any]] = {}
        # Those that were waited for in vain, and what they did.
        self._given_up: dict[threading.Thread, bytes] = {}

    def say(self, thread: threading.Thread, handle: Any) -> None:
        """By that thread: the loop shall run it."""
        with _lock:
            self._said.setdefault(thread, []).append(handle)

    def settle(self) -> None:
        """Waits until all of them rest, and hears what they have said."""
        pause, waited = _SHORTEST, 0.0
        before: dict[threading.Thread, bytes] = {}
        while now := {thread: _doing(thread) for thread in alive()}:
            if now == before:
                busy = {
                    thread: doing
                    for thread, doing in now.items()
                    if not _rests(doing) and self._given_up.get(thread) != doing
                }
                if not busy:
                    break
                if waited > PATIENCE and not any(map(is_at_work, busy)):
                    self._given_up.update(busy)
                    for thread in busy:
                        self._tell(waits_elsewhere(f"thread {thread.name!r}"))
                    break
            before = now
            _never.acquire(timeout=pause)
            waited += pause
            pause = min(pause * 2, _LONGEST)
        self._hear()

    def _hear(self) -> None:
        with _lock:
            said, self._said = self._said, {}
            talking = sorted(said, key=lambda thread: _known.get(thread, 0))
        while talking:
            thread = talking.pop(self._choose(len(talking)))
            heard = self._heard.setdefault(thread, deque())
            for handle in said[thread]:
                heard.append(handle)
                self._call_later(self._choose(self._longest) / 1000, self._perform, heard)

    def _perform(self, heard: deque[Any]) -> None:
        """One that may have been cancelled meanwhile."""
        handle = heard.popleft()
        if not handle.cancelled():
            handle._run()

    def may_speak(self) -> bool:
        """Whether one of them is at something, and was given some time for it."""
        if all(map(_rests, map(_doing, alive()))):
            return bool(self._said)
        _never.acquire(timeout=_LONGEST)
        return True


def is_at_work(thread: threading.Thread) -> bool:
    """Whether it computes, or would if it had a processor, or waits for a disk."""
    try:
        return _read(thread, "stat").rpartition(b") ")[2][:1] in b"RD"
    except OSError:
        return False


def work_of(thread: threading.Thread | None) -> bytes:
    """What it has computed so far: one that waits for Python's lock only is seen to go on."""
    try:
        return b"" if thread is None else _read(thread, "schedstat").partition(b" ")[0]
    except OSError:
        return b""


def waits_elsewhere(who: str) -> str:
    return (
        f"{who} waited for more than {PATIENCE:g} s of real time, for something else than a lock or the loop"
    )


def _doing(thread: threading.Thread) -> bytes:
    """What a thread does, in a word that stays the same only while it does nothing else."""
    try:
        return _read(thread, "syscall") + _read(thread, "schedstat")
    except OSError:
        # It has just ended, or the kernel does not tell.
        frame = sys._current_frames().get(thread.ident or 0)
        return b"" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lasti}".encode()


def _read(thread: threading.Thread, name: str) -> bytes:
    file = os.open(f"/proc/self/task/{thread.native_id}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, 200)
    finally:
        os.close(file)


def _rests(doing: bytes) -> bool:
    place = doing.partition(b":")[0]
    return doing.startswith(_FUTEX + b" ") or not doing or place.endswith((b"threading.py", b"queue.py"))
