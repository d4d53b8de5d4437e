"""What a workload is: its name, what it yields, and the function that a worker process runs.

Five kinds, each with a decorator that registers it:

- `timed`: a coroutine function that runs on the loop and times what it does (most rows); with `bare`, a plain
  function that does the same on the bare loop in C;
- `measured`: a coroutine function that runs on the loop and returns its values (several figures, memory);
- `served`: a coroutine function that starts a server on the loop, for the load client to ask (echo, HTTP);
- `asking`: a coroutine function that runs on the loop and asks the bare server in another process;
- `program`: a plain function that is given the loop's name and measures by itself (start-up).
"""

from __future__ import annotations

import enum
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from .tls import CERTIFICATE


class Figure(enum.Enum):
    """How a value compares, and so in which table it stands."""

    RATE = "rate, more is better"
    """Operations a second; compared with uvloop's."""

    TIME = "time, less is better"
    """Seconds; compared with uvloop's."""

    OVER_LOOP = "time of a switch, less is better"
    """Seconds from one coroutine to the next; compared with the bare loop's."""

    OVER_BARE = "CPU, less is better"
    """Seconds of the server's CPU time a request; compared with the bare server's."""

    OVER_BARE_TLS = "CPU with TLS, less is better"
    """The same with TLS; compared with the bare server's on the same libssl."""

    COST = "cost of one among many, flat is better"
    """Seconds for one of many; not compared with another loop's, but with the same among fewer and more."""

    MEMORY = "memory, less is better"
    """Bytes; not compared: the goal is so many bytes."""

    CALLS = "system calls, less is better"
    """Calls; not compared: the goal is so many calls."""


class Stopwatch:
    """Sums the time and the CPU time spent in its `with` blocks: what stands outside is preparation."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu = 0.0

    def __enter__(self) -> None:
        self._cpu_started = time.process_time()
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started
        self.cpu += time.process_time() - self._cpu_started


@dataclass(frozen=True)
class Load:
    """What the load client asks of a server; `count` requests are counted, a tenth as many warm up.

    `mode` is `echo`, `datagrams`, `reconnect` or `idle`; `http` is a path to ask for.
    """

    count: int
    connections: int
    size: int = 1024
    mode: str = "echo"
    http: str | None = None
    tls: bool = False

    @property
    def label(self) -> str:
        return f"{self.size // 1024}KiB/{self.connections}"

    def options(self, count: int) -> list[str]:
        """The load client's command line."""
        options = {"connections": self.connections, "size": self.size, "mode": self.mode, "requests": count}
        if self.http is not None:
            options["http"] = self.http
        if self.tls:
            options["certificate"] = CERTIFICATE
        return [part for name, value in options.items() for part in (f"--{name}", str(value))]


def bind(kind: int = socket.SOCK_STREAM) -> tuple[socket.socket, int]:
    """A socket for a server on loopback, and its port, known before the loop is given the socket.

    TCP is named: of a socket with protocol 0 asyncio does not know that TCP_NODELAY belongs on it.
    """
    listener = socket.socket(socket.AF_INET, kind, socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else 0)
    listener.bind(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


TimedBody = Callable[[int, Stopwatch], Awaitable[None]]
BareBody = Callable[[int, Stopwatch], None]
MeasuredBody = Callable[[int], Awaitable[dict[str, float]]]
ServedBody = Callable[[Load, Callable[[int], None]], Awaitable[None]]
AskingBody = Callable[[int, Stopwatch, int, int], Awaitable[None]]
ProgramBody = Callable[[str, int], dict[str, float]]


@dataclass(frozen=True)
class Timed:
    """`body(count, watch)` does `count` operations on the running loop, what is measured in `with watch`.

    `bare` does the same without asyncio, on the bare loop.
    """

    name: str
    body: TimedBody
    count: int
    figures: dict[str, Figure]
    bare: BareBody | None

    def values(self, count: int, seconds: float) -> dict[str, float]:
        values = {"rate": count / seconds, "time": seconds / count, "switch": seconds / count}
        return {key: values[key] for key in self.figures}


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
    """`body(load, announce)` starts a server, announces its port, and serves until the process ends.

    `traced`: its system calls are counted instead of its time. `bare`: the bare server takes part.
    """

    name: str
    body: ServedBody
    load: Load
    figures: dict[str, Figure]
    traced: bool
    bare: bool

    @property
    def count(self) -> int:
        return self.load.count


@dataclass(frozen=True)
class Asking:
    """`body(count, watch, connections, port)` makes `count` requests, over so many connections at once.

    Who answers is the bare server in another process, with `answer` (`echo`, `http` or `http-1k`): it sleeps
    whenever there is nothing to answer, so that sending to it wakes it.
    """

    name: str
    body: AskingBody
    count: int
    connections: int
    answer: str
    figures: dict[str, Figure]
    prepare: Callable[[], None] | None = None
    """Builds what the client is, once for a run of the suite."""

    def values(self, count: int, watch: Stopwatch) -> dict[str, float]:
        return {"rate": count / watch.seconds, "cpu": watch.cpu / count}


@dataclass(frozen=True)
class Program:
    """`body(loop, count)` measures `count` runs of something outside of this process; returns its values."""

    name: str
    body: ProgramBody
    count: int
    figures: dict[str, Figure]


Workload = Timed | Measured | Served | Asking | Program


@dataclass
class Registry:
    """All workloads by name, in the order in which they run."""

    workloads: dict[str, Workload] = field(default_factory=dict)

    def add(self, workload: Workload) -> None:
        if workload.name in self.workloads:
            raise ValueError(f"two workloads are called {workload.name}")
        self.workloads[workload.name] = workload


REGISTRY = Registry()


def timed(
    name: str, figure: Figure, *, count: int, bare: BareBody | None = None
) -> Callable[[TimedBody], TimedBody]:
    """Register a coroutine function; its value is operations a second (RATE) or seconds for one (TIME).

    With `bare` it is also `switch`, seconds for one, compared with the bare loop's.
    """

    def register(body: TimedBody) -> TimedBody:
        figures = {"rate" if figure is Figure.RATE else "time": figure}
        if bare is not None:
            figures["switch"] = Figure.OVER_LOOP
        REGISTRY.add(Timed(name, body, count, figures, bare))
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


CPU_AND_RATE = {"cpu": Figure.OVER_BARE, "rate": Figure.RATE}
"""Seconds of the server's CPU time a request, and requests a second."""


def served(
    name: str,
    loads: Iterable[Load],
    figures: dict[str, Figure] = CPU_AND_RATE,
    *,
    traced: bool = False,
    bare: bool = True,
) -> Callable[[ServedBody], ServedBody]:
    """Register a server under each of `loads`; `{load}` in the name becomes the load's size and connections.

    `figures` are some of what `harness/sampler.py` gives: `cpu`, `rate`, `latency_p50`, `latency_p99`, and
    `bytes` a request, by which the server grew; or `calls` if it is `traced`.
    """

    def register(body: ServedBody) -> ServedBody:
        for load in loads:
            REGISTRY.add(Served(name.format(load=load.label), body, load, figures, traced, bare))
        return body

    return register


def asking(
    name: str,
    connections: Iterable[int],
    *,
    count: int,
    alone: int,
    answer: str,
    prepare: Callable[[], None] | None = None,
) -> Callable[[AskingBody], AskingBody]:
    """Register a client under each of `connections`, `alone` instead of `count` requests for a single one.

    Its values are `rate`, requests a second, and `cpu`, seconds of the client's CPU time a request.
    """

    def register(body: AskingBody) -> AskingBody:
        figures = {"rate": Figure.RATE, "cpu": Figure.TIME}
        for number in connections:
            requests = alone if number == 1 else count
            REGISTRY.add(Asking(f"{name}/{number}", body, requests, number, answer, figures, prepare))
        return body

    return register


def program(name: str, figures: dict[str, Figure], *, count: int) -> Callable[[ProgramBody], ProgramBody]:
    """Register a function that returns a value for each of `figures`."""

    def register(body: ProgramBody) -> ProgramBody:
        REGISTRY.add(Program(name, body, count, figures))
        return body

    return register
