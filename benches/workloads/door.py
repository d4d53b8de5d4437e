"""Awaitables of Rust futures: by ironloop's crate, by PyO3's own `async fn`, by pyo3-async-runtimes (`par`),
and the same in Python. The module is `benches/door`, built for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from harness import native
from harness.workload import Figure, Load, Stopwatch, bind, served, timed

IN_FLIGHT = 100
ECHO = Load(20_000, 20)

Call = Callable[[], Awaitable[Any]]


def register(name: str, kinds: tuple[str, ...], count: int, body: Any) -> None:
    """A row for each kind: ``body(kind, count, watch)``. Those of par cost a hundred times as much."""
    for kind in kinds:
        few = count // 20 if kind == "par" else count

        def run(count: int, watch: Stopwatch, kind: str = kind) -> Awaitable[None]:
            awaitable: Awaitable[None] = body(kind, count, watch)
            return awaitable

        run.__module__ = __name__
        timed(f"door/{name}/{kind}", Figure.TIME, count=few)(run)


async def nothing() -> None:
    pass


async def itself(value: Any) -> Any:
    return value


def ready_of(kind: str) -> Call:
    door = native.door()
    return {"python": nothing, "ironloop": door.ready, "pyo3": door.ready_pyo3, "par": door.ready_par}[kind]


async def ready(kind: str, count: int, watch: Stopwatch) -> None:
    call = ready_of(kind)
    with watch:
        for _ in range(count):
            await call()


async def value(kind: str, count: int, watch: Stopwatch) -> None:
    door = native.door()
    calls = {"python": itself, "ironloop": door.value, "pyo3": door.value_pyo3, "par": door.value_par}
    call = calls[kind]
    with watch:
        for n in range(count):
            await call(n)


async def gathered(kind: str, count: int, watch: Stopwatch) -> None:
    call = ready_of(kind)
    with watch:
        for _ in range(count // IN_FLIGHT):
            await asyncio.gather(*[call() for _ in range(IN_FLIGHT)])


def gate_of(kind: str) -> tuple[Callable[[], Any], Callable[[Any], Awaitable[Any]], Callable[[Any], Any]]:
    """What makes one, what awaits it, and what opens it; of Python a future."""
    if kind == "python":
        loop = asyncio.get_running_loop()
        return loop.create_future, lambda future: future, lambda future: future.set_result(None)
    gate = native.door().Gate
    wait = {"ironloop": gate.wait, "pyo3": gate.wait_pyo3, "par": gate.wait_par}[kind]
    return gate, wait, gate.open


async def woken(kind: str, count: int, watch: Stopwatch) -> None:
    """Two tasks: one waits, the other opens in its next step."""
    new, wait, opens = gate_of(kind)
    gates: list[Any] = []

    async def waits() -> None:
        for _ in range(count):
            gate = new()
            gates.append(gate)
            await wait(gate)

    with watch:
        task = asyncio.ensure_future(waits())
        while not task.done():
            if gates:
                opens(gates.pop())
            await asyncio.sleep(0)


async def from_thread(kind: str, count: int, watch: Stopwatch, at_once: int = IN_FLIGHT) -> None:
    new, wait, _ = gate_of(kind)
    porter = native.door().Porter()
    with watch:
        for _ in range(count // at_once):
            gates = [new() for _ in range(at_once)]
            waiting = [asyncio.ensure_future(wait(gate)) for gate in gates]
            await asyncio.sleep(0)
            for gate in gates:
                porter.open(gate)
            for one in waiting:
                await one


async def from_thread_singly(kind: str, count: int, watch: Stopwatch) -> None:
    await from_thread(kind, count, watch, 1)


async def spawned(kind: str, count: int, watch: Stopwatch, at_once: int = IN_FLIGHT) -> None:
    door = native.door()
    call = {"ironloop": door.spawned, "par": door.spawned_par}[kind]
    with watch:
        for _ in range(count // at_once):
            await asyncio.gather(*[call() for _ in range(at_once)])


async def spawned_singly(kind: str, count: int, watch: Stopwatch) -> None:
    await spawned(kind, count, watch, 1)


async def awaits(kind: str, count: int, watch: Stopwatch) -> None:
    """Rust awaits Python's `sleep(0)`; in Python another coroutine does."""
    door = native.door()

    async def python(awaitable: Awaitable[Any]) -> Any:
        return await awaitable

    call = {"python": python, "ironloop": door.awaits, "par": door.awaits_par}[kind]
    with watch:
        for _ in range(count):
            await call(asyncio.sleep(0))


ALL = ("python", "ironloop", "pyo3", "par")
register("ready", ALL, 400_000, ready)
register("value", ALL, 400_000, value)
register("gather-100", ALL, 100_000, gathered)
register("woken", ALL, 100_000, woken)
register("thread-100", ALL[1:], 40_000, from_thread)
register("thread-1", ALL[1:], 4_000, from_thread_singly)
register("tokio-100", ("ironloop", "par"), 40_000, spawned)
register("tokio-1", ("ironloop", "par"), 10_000, spawned_singly)
register("awaits-python", ("python", "ironloop", "par"), 100_000, awaits)


@served("door/echo/{load}", [ECHO])
async def echo(load: Load, announce: Callable[[int], None]) -> None:
    """Beside `echo/sock`: on the loop's own reactor, by Rust futures."""
    listener, port = bind()
    listener.listen(1024)
    listener.setblocking(False)
    announce(port)
    await native.door().echo(listener.detach())
