"""Subclasses of asyncio's classes, whose hooks meddle; made once the names are what they are to be."""

from __future__ import annotations

import asyncio
import functools
from types import SimpleNamespace
from typing import Any

from rough_programs.world import Thing, World


def meddling(name: str) -> Any:
    """A method that meddles, and then is the inherited one."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if world := CURRENT:
            world[-1].meddle()
        return getattr(super(type(self).OWN, self), name)(*args, **kwargs)

    method.__name__ = name
    return method


# The world of the program that runs.
CURRENT: list[World] = []


def _below(base: Any, *names: str) -> Any:
    members = {name: meddling(name) for name in names}

    def __del__(self: Any) -> None:
        if world := CURRENT:
            if world[-1].random.random() < 0.3:
                world[-1].keep(self)
            world[-1].meddle()

    kind = type(base)(f"Rough{base.__name__}", (base,), {**members, "__del__": __del__})
    kind.OWN = kind
    return kind


@functools.cache
def kinds() -> SimpleNamespace:
    return SimpleNamespace(
        Queue=_below(asyncio.Queue, "_put", "_get", "_init", "qsize", "empty"),
        PriorityQueue=_below(asyncio.PriorityQueue, "_put", "_get"),
        Lock=_below(asyncio.Lock, "release", "locked"),
        Event=_below(asyncio.Event, "set", "is_set"),
        Semaphore=_below(asyncio.Semaphore, "release", "locked"),
        Condition=_below(asyncio.Condition, "notify"),
        Future=_below(asyncio.Future, "set_result", "set_exception", "cancel", "done"),
        Task=_below(asyncio.Task, "cancel", "set_name"),
        StreamReader=_below(asyncio.StreamReader, "feed_data", "feed_eof", "at_eof"),
        Timeout=_below(asyncio.timeouts.Timeout, "reschedule", "_on_timeout"),
    )


class Protocol(asyncio.Protocol):
    """One that closes, pauses and writes at any moment."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.transport: Any = None

    def _act(self) -> None:
        self.world.meddle()
        transport, choice = self.transport, self.world.random.randrange(8)
        if choice == 0:
            transport.close()
        elif choice == 1:
            transport.abort()
        elif choice == 2:
            transport.write(b"x" * self.world.random.choice((0, 1, 100_000)))
        elif choice == 3:
            transport.pause_reading()
        elif choice == 4:
            transport.resume_reading()
        elif choice == 5:
            transport.set_protocol(Protocol(self.world))
        elif choice == 6:
            self.transport = None

    def connection_made(self, transport: Any) -> None:
        self.transport = self.world.keep(transport)
        self._act()

    def data_received(self, data: bytes) -> None:
        self._act()

    def eof_received(self) -> Any:
        self._act()
        return Thing(self.world)

    def pause_writing(self) -> None:
        self._act()

    def resume_writing(self) -> None:
        self._act()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._act()

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._act()

    def error_received(self, exc: Exception) -> None:
        self._act()


class Buffered(Protocol, asyncio.BufferedProtocol):
    """The same, with a buffer that may be too small, gone, or another each time."""

    def get_buffer(self, hint: int) -> Any:
        self.world.meddle()
        return self.world.random.choice(
            (bytearray(10), bytearray(70_000), memoryview(bytearray(3)), b"", None)
        )

    def buffer_updated(self, count: int) -> None:
        self._act()
