"""Machines of a simulation: a name, addresses, and whether they are up. Code runs as of one of them."""

from __future__ import annotations

import asyncio
import contextvars
import ipaddress
import sys
import weakref
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ironloop.simulator.network import names

if TYPE_CHECKING:
    from ironloop.simulator.network.network import Network

_T = TypeVar("_T")

# Whose code runs; unset: that of the simulation's own host.
_current: contextvars.ContextVar[Host] = contextvars.ContextVar("ironloop's simulated host")
# The crash of it that the code has outlived that runs; it may do so to its next await.
_outlived: contextvars.ContextVar[object] = contextvars.ContextVar("a crash of ironloop's simulated host")


class Host:
    """A machine with a name and addresses of its own, in the same process; made by `Simulation.host`.

    It is up until it crashes. What runs as of it (`start`, `run`, `entered`) opens its sockets there: its
    127.0.0.1 is its own, others reach it by its name or its address.
    """

    __module__ = "ironloop.simulator"

    def __init__(self, network: Network, name: str, address: str) -> None:
        self.name = name
        self.address = str(ipaddress.ip_address(address))
        self._ip = ipaddress.ip_address(address).packed
        self._network = network
        self._is_up = True
        # By so many nanoseconds its wall clock is ahead of the simulation's. Read by `ffi/clocks.rs`.
        self._clock_offset = 0
        # How often it has crashed: what is bound at that time stays behind.
        self.crashes = 0
        # What it does from the beginning, each time.
        self._start: tuple[Callable[..., Coroutine[Any, Any, object]], tuple[Any, ...]] | None = None
        self._main: asyncio.Task[object] | None = None

    def __repr__(self) -> str:
        return f"<Host {self.name} {self.address}{'' if self._is_up else ' down'}>"

    @property
    def is_up(self) -> bool:
        """False from `crash` to `restart`."""
        return self._is_up

    def set_clock(self, ahead: float) -> None:
        """Its wall clock (`time.time`, `datetime.now`) is ahead of the simulation's, or behind.

        Monotonic clocks are the same on all hosts.

        Args:
            ahead: by so many seconds; negative: behind.
        """
        self._clock_offset = round(ahead * 1e9)

    def has(self, ip: bytes) -> bool:
        """Whether an address is its own."""
        return ip == self._ip or names.is_loopback(ip)

    def address_of(self, family: int) -> bytes | None:
        """Its own, by which it reaches others."""
        return self._ip if names.family_of(self._ip) == family else None

    # Running

    @contextmanager
    def entered(self) -> Generator[None]:
        """What is called, and the tasks that are made in the `with`, are of this host."""
        token, crash = _current.set(self), _outlived.set(None)
        try:
            yield
        finally:
            _outlived.reset(crash)
            _current.reset(token)

    def start(self, main: Callable[..., Coroutine[Any, Any, _T]], *args: Any) -> asyncio.Task[_T]:
        """Runs `main(*args)` in a task of this host; again after each `restart`.

        Raises:
            RuntimeError: the host is down, or no loop runs.
        """
        self._start = (main, args)
        return self._begin()  # type: ignore[return-value]

    def _begin(self) -> asyncio.Task[object]:
        assert self._start is not None
        main, args = self._start
        self._main = self.create_task(main(*args), name=self.name)
        return self._main

    def create_task(self, main: Coroutine[Any, Any, _T], *, name: str | None = None) -> asyncio.Task[_T]:
        """The same for a coroutine, once."""
        if not self._is_up:
            main.close()
            raise RuntimeError(f"{self.name} is down")
        with self.entered():
            return asyncio.get_running_loop().create_task(main, name=name)

    async def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """Waits for a coroutine that runs as of this host."""
        return await self.create_task(main)

    # Faults

    def crash(self) -> None:
        """The machine is gone at once, without a word to others; its code runs no further.

        Whoever has a connection to it hears nothing, until what is sent has waited too long, or until the
        host is back and resets what it does not know. Its code ends as by `kill`.
        """
        if self._is_up:
            self._is_up = False
            self._network.end_code(self, silently=True)
            self.crashes += 1

    def kill(self) -> None:
        """Its process is killed, the machine stays: connections are closed, or reset where something was
        unread, and who connects is refused. `restart` begins anew.

        No task of it makes another step, no timer and no callback of it runs, and no `finally`. Whoever
        awaits one of its tasks elsewhere hears that it was cancelled. A task that kills its own host goes on
        to where it waits next, and no further; nor do the tasks and callbacks that it makes until then. (What
        is to end in order is cancelled: `host.start(…).cancel()`.)
        """
        if self._is_up:
            self._network.end_code(self, silently=False)
            self.crashes += 1

    def restart(self) -> asyncio.Task[object] | None:
        """It is up, with nothing of what it was; returns the task of what it was told to `start`, anew."""
        self._is_up = True
        return self._begin() if self._start is not None else None


def current(network: Network) -> Host:
    """Whose code runs."""
    host = _current.get(None)
    # A context may outlive its simulation.
    return host if host is not None and host._network is network else network.here


def host_of(task: asyncio.Task[Any]) -> Host | None:
    """As of whom a task was made."""
    if sys.version_info < (3, 12):
        return _made_by.get(task)
    host: Host | None = task.get_context().get(_current)
    return host


def outlived(task: asyncio.Task[Any]) -> object:
    """The crash of its own host that the code had outlived by which the task was made."""
    if sys.version_info < (3, 12):
        return _made_after.get(task)
    return task.get_context().get(_outlived)


# Where tasks do not tell their contexts, a simulation's loop notes it.
_made_by: weakref.WeakKeyDictionary[asyncio.Task[Any], Host] = weakref.WeakKeyDictionary()
_made_after: weakref.WeakKeyDictionary[asyncio.Task[Any], object] = weakref.WeakKeyDictionary()


def note_task(task: asyncio.Task[Any], context: contextvars.Context | None) -> None:
    host = _current.get(None) if context is None else context.get(_current)
    if host is not None:
        _made_by[task] = host
    crash = _outlived.get(None) if context is None else context.get(_outlived)
    if crash is not None:
        _made_after[task] = crash
