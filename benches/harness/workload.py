"""What a workload is: its name, what it yields, and the function that a worker process runs.

Four kinds, each with a decorator that registers it:

- `timed`: a coroutine function that runs on the loop and times what it does (most rows);
- `measured`: a coroutine function that runs on the loop and returns its values (several figures, memory);
- `served`: a coroutine function that starts a server on the loop, for the load client to ask (echo, HTTP);
- `program`: a plain function that is given the loop's name and measures by itself (start-up).
"""

from __future__ import annotations

import enum
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field


class Figure(enum.Enum):
    """How a value compares, and so in which table it stands."""

    RATE = "rate, more is better"
    """Operations a second; compared with uvloop's."""

    TIME = "time, less is better"
    """Seconds; compared with uvloop's."""

    OVER_BARE = "CPU, less is better"
    """Seconds of the server's CPU time a request; compared with the bare server's."""

    COST = "cost of one among many, flat is better"
    """Seconds for one of many; not compared with another loop's, but with the same among fewer and more."""

    MEMORY = "memory, less is better"
    """Bytes; not compared: the goal is so many bytes."""


class Stopwatch:
    """Sums the time spent in its `with` blocks: what stands outside of them is preparation."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started


@dataclass(frozen=True)
class Load:
    """What the load client asks of a server; `count` requests are counted, a tenth as many warm up."""

    count: int
    connections: int
    size: int = 1024
    mode: str = "echo"
    http: str | None = None

    @property
    def label(self) -> str:
        return f"{self.size // 1024}KiB/{self.connections}"

    def options(self, count: int) -> list[str]:
        """The load client's command line."""
        options = {"connections": self.connections, "size": self.size, "mode": self.mode, "requests": count}
        if self.http is not None:
            options["http"] = self.http
        return [part for name, value in options.items() for part in (f"--{name}", str(value))]


def bind() -> tuple[socket.socket, int]:
    """A TCP socket for a server on loopback, and its port, known before the loop is given the socket.

    The protocol is named: of a socket with protocol 0 asyncio does not know that TCP_NODELAY belongs on it.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


TimedBody = Callable[[int, Stopwatch], Awaitable[None]]
MeasuredBody = Callable[[int], Awaitable[dict[str, float]]]
ServedBody = Callable[[Load, Callable[[int], None]], Awaitable[None]]
ProgramBody = Callable[[str, int], dict[str, float]]


@dataclass(frozen=True)
class Timed:
    """`body(count, watch)` does `count` operations on the running loop, what is measured in `with watch`."""

    name: str
    body: TimedBody
    count: int
    figures: dict[str, Figure]

    def values(self, count: int, seconds: float) -> dict[str, float]:
        if Figure.RATE in self.figures.values():
            return {"rate": count / seconds}
        return {"time": seconds / count}


@dataclass(frozen=True)
class Measured:
    """`body(count)` warms up as it needs, does `count` operations on the running loop, returns its values.

    `patience` multiplies the time that the process may take.
    """

    name: str
    body: MeasuredBody
    count: int
    figures: dict[str, Figure]
    patience: int


@dataclass(frozen=True)
class Served:
    """`body(load, announce)` starts a server, announces its port, and serves until the process ends."""

    name: str
    body: ServedBody
    load: Load
    figures: dict[str, Figure]

    @property
    def count(self) -> int:
        return self.load.count


@dataclass(frozen=True)
class Program:
    """`body(loop, count)` measures `count` runs of something outside of this process; returns its values."""

    name: str
    body: ProgramBody
    count: int
    figures: dict[str, Figure]


Workload = Timed | Measured | Served | Program


@dataclass
class Registry:
    """All workloads by name, in the order in which they run."""

    workloads: dict[str, Workload] = field(default_factory=dict)

    def add(self, workload: Workload) -> None:
        if workload.name in self.workloads:
            raise ValueError(f"two workloads are called {workload.name}")
        self.workloads[workload.name] = workload


REGISTRY = Registry()


def timed(name: str, figure: Figure, *, count: int) -> Callable[[TimedBody], TimedBody]:
    """Register a coroutine function; its value is operations a second (RATE) or seconds for one (TIME)."""

    def register(body: TimedBody) -> TimedBody:
        key = "rate" if figure is Figure.RATE else "time"
        REGISTRY.add(Timed(name, body, count, {key: figure}))
        return body

    return register


def measured(
    name: str, figures: dict[str, Figure], *, count: int, patience: int = 1
) -> Callable[[MeasuredBody], MeasuredBody]:
    """Register a coroutine function that returns a value for each of `figures`."""

    def register(body: MeasuredBody) -> MeasuredBody:
        REGISTRY.add(Measured(name, body, count, figures, patience))
        return body

    return register


def served(
    name: str, loads: Iterable[Load], *, cpu: Figure = Figure.OVER_BARE
) -> Callable[[ServedBody], ServedBody]:
    """Register a server under each of `loads`; `{load}` in the name becomes the load's size and connections.

    Its values are `cpu`, seconds of the server's CPU time a request, and `rate`, requests a second.
    """

    def register(body: ServedBody) -> ServedBody:
        for load in loads:
            figures = {"cpu": cpu, "rate": Figure.RATE}
            REGISTRY.add(Served(name.format(load=load.label), body, load, figures))
        return body

    return register


def program(name: str, figures: dict[str, Figure], *, count: int) -> Callable[[ProgramBody], ProgramBody]:
    """Register a function that returns a value for each of `figures`."""

    def register(body: ProgramBody) -> ProgramBody:
        REGISTRY.add(Program(name, body, count, figures))
        return body

    return register
