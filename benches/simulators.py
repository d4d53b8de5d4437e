"""Simulators of asyncio side by side: ironloop's, simloop's, simloom's.

    python benches/simulators.py                 on each that is installed; simloop and simloom are on PyPI
    python benches/simulators.py ironloop        on that one

Processor time of this process, the best of five rounds, rounds of each in turn; and whether the orders that
asyncio documents are kept. The programs are a queue, the lost update of simloom's first page and a longer
one, and heartbeats.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

Program = Callable[[], Coroutine[Any, Any, None]]
Run = Callable[[Program, int], None]

ROUNDS = 5


def _ironloop() -> Run:
    from ironloop.simulator.search import attempt

    def run(program: Program, seed: int) -> None:
        failure = attempt(lambda simulation: simulation.run(program()), "tasks", seed)
        if failure is not None:
            raise failure.error

    return run


def _simloop() -> Run:
    from simloop import SimLoop
    from simloop._run import finish, run_once

    def run(program: Program, seed: int) -> None:
        loop = SimLoop(seed=seed)
        error = run_once(loop, program)
        finish(loop)
        if error is not None:
            raise error

    return run


def _simloom() -> Run:
    import simloom

    def run(program: Program, seed: int) -> None:
        simloom.run(program, seed=seed, virtual_time=True)

    return run


SIMULATORS = {"ironloop": _ironloop, "simloop": _simloop, "simloom": _simloom}

# Programs for speed: what is counted in one run, and the runs in a round.

HOPS = 1000


async def hops() -> None:
    """An item goes from one task to another, one at a time."""
    queue: asyncio.Queue[int] = asyncio.Queue(1)

    async def put() -> None:
        for number in range(HOPS):
            await queue.put(number)

    task = asyncio.create_task(put())
    for _ in range(HOPS):
        await queue.get()
    await task


async def lost_update() -> None:
    """simloom's first example: 3 tasks, 9 updates."""
    value = 0

    async def work() -> None:
        nonlocal value
        for _ in range(3):
            current = value
            await asyncio.sleep(0)
            value = current + 1

    await asyncio.gather(*(work() for _ in range(3)))


async def longer_update() -> None:
    """The same in 200 steps."""
    value = 0

    async def work() -> None:
        nonlocal value
        for _ in range(50):
            current = value
            await asyncio.sleep(0)
            value = current + 1

    await asyncio.gather(*(work() for _ in range(4)))


async def heartbeats() -> None:
    """100 tasks, a beat a second, for a minute."""

    async def beat() -> None:
        for _ in range(60):
            await asyncio.sleep(1)

    await asyncio.gather(*(beat() for _ in range(100)))


SPEED: list[tuple[str, Program, int, Callable[[float], str]]] = [
    ("µs a hop through a queue", hops, 5, lambda seconds: f"{seconds / HOPS * 1e6:.2f}"),
    ("seeds a second, lost update of 9 updates", lost_update, 100, lambda seconds: f"{1 / seconds:,.0f}"),
    ("seeds a second, lost update of 200 steps", longer_update, 30, lambda seconds: f"{1 / seconds:,.0f}"),
    ("s for an hour of heartbeats of 100 tasks", heartbeats, 2, lambda seconds: f"{seconds * 60:.1f}"),
]

# Programs of many hosts: ironloop's alone, the others have one.

HOSTS = 100


async def beats_by_datagrams(simulation: Any) -> None:
    """100 hosts, each of which sends a datagram a second to another, for a minute."""
    heard = 0

    class Monitor(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _: object) -> None:
            nonlocal heard
            heard += 1

    async def monitor() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(Monitor, local_addr=("0.0.0.0", 9))
        await asyncio.sleep(70)

    async def beat() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("monitor", 9)
        )
        for _ in range(60):
            transport.sendto(b"alive")
            await asyncio.sleep(1)

    await _beats(simulation, monitor, beat)
    assert heard == HOSTS * 60


async def beats_by_streams(simulation: Any) -> None:
    """The same over connections."""
    heard = 0

    async def monitor() -> None:
        async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            nonlocal heard
            while await reader.read(100):
                heard += 1

        await asyncio.start_server(serve, "0.0.0.0", 9)
        await asyncio.sleep(70)

    async def beat() -> None:
        _, writer = await asyncio.open_connection("monitor", 9)
        for _ in range(60):
            writer.write(b"alive")
            await asyncio.sleep(1)
        writer.close()

    await _beats(simulation, monitor, beat)
    assert heard == HOSTS * 60


async def _beats(simulation: Any, monitor: Program, beat: Program) -> None:
    simulation.host("monitor").start(monitor)
    await asyncio.sleep(1)
    hosts = [simulation.host(f"host{number}") for number in range(HOSTS)]
    await asyncio.gather(*(host.create_task(beat()) for host in hosts))
    await asyncio.sleep(1)


# Programs for correctness, by 20 seeds each.


async def call_soon() -> None:
    loop, seen = asyncio.get_running_loop(), list[int]()
    for number in range(8):
        loop.call_soon(seen.append, number)
    await asyncio.sleep(1)
    assert seen == list(range(8))


async def done_callbacks() -> None:
    future, seen = asyncio.get_running_loop().create_future(), list[int]()
    for number in range(8):
        future.add_done_callback(lambda _, number=number: seen.append(number))  # type: ignore[misc]
    future.set_result(None)
    await asyncio.sleep(1)
    assert seen == list(range(8))


async def lock() -> None:
    one, seen = asyncio.Lock(), list[int]()

    async def wait(number: int) -> None:
        await asyncio.sleep(number)
        async with one:
            seen.append(number)

    async with asyncio.TaskGroup() as group:
        async with one:
            for number in range(5):
                group.create_task(wait(number))
            await asyncio.sleep(10)
    assert seen == list(range(5))


async def thread() -> None:
    assert await asyncio.to_thread(sum, [1, 2]) == 3


async def unix_server() -> None:
    import tempfile

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        async with await asyncio.start_unix_server(serve, f"{folder}/socket"):
            reader, writer = await asyncio.open_unix_connection(f"{folder}/socket")
            writer.write(b"line\n")
            assert await reader.read() == b"line\n"
            writer.close()


async def wall_clock() -> None:
    begun = time.monotonic()
    await asyncio.sleep(60)
    assert time.monotonic() - begun >= 60


CORRECT: list[tuple[str, Program]] = [
    ("`call_soon` keeps its order", call_soon),
    ("done callbacks of a future keep theirs", done_callbacks),
    ("a lock goes to who waits longest", lock),
    ("`asyncio.to_thread`", thread),
    ("a UNIX server", unix_server),
    ("`time.monotonic` follows, by default", wall_clock),
]


def seconds_of(run: Run, program: Program, runs: int, first: int) -> float:
    """Of the processor, for one run."""
    gc.collect()
    begun = time.process_time()
    for seed in range(first, first + runs):
        run(program, seed)
    return (time.process_time() - begun) / runs


def seconds_with_hosts(program: Callable[[Any], Coroutine[Any, Any, None]], seed: int) -> float:
    import ironloop

    gc.collect()
    begun = time.process_time()
    with ironloop.simulation(seed=seed) as simulation:
        simulation.run(program(simulation))
    return time.process_time() - begun


def verdict(run: Run, program: Program) -> str:
    broken: dict[str, int] = {}
    for seed in range(20):
        try:
            with contextlib.redirect_stderr(None):
                run(program, seed)
        except BaseException as error:
            name = type(error).__name__
            broken[name] = broken.get(name, 0) + 1
    if not broken:
        return "yes"
    return ", ".join(f"{name} by {count} of 20 seeds" for name, count in broken.items())


def main() -> None:
    names = sys.argv[1:] or [name for name in SIMULATORS if importlib.util.find_spec(name)]
    runs = {name: SIMULATORS[name]() for name in names}
    print("| |", " | ".join(names), "|")
    print("|---|", "---|" * len(names), sep="")
    for title, program, count, shown in SPEED:
        best = dict.fromkeys(names, float("inf"))
        for number in range(ROUNDS):
            for name, run in runs.items():
                best[name] = min(best[name], seconds_of(run, program, count, number * count))
        print("|", title, "|", " | ".join(shown(best[name]) for name in names), "|", flush=True)
    if "ironloop" in names:
        for kind, of_hosts in (("datagrams", beats_by_datagrams), ("connections", beats_by_streams)):
            seconds = min(seconds_with_hosts(of_hosts, seed) for seed in range(ROUNDS))
            cells = [f"{seconds * 60:.1f}" if name == "ironloop" else "no hosts" for name in names]
            print(
                f"| s for an hour of heartbeats of {HOSTS} hosts, by {kind} |",
                " | ".join(cells),
                "|",
                flush=True,
            )
    for title, program in CORRECT:
        print("|", title, "|", " | ".join(verdict(runs[name], program) for name in names), "|", flush=True)


if __name__ == "__main__":
    main()
