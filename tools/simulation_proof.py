"""Simulations raise no false alarm, and a seed is one run: `make simulation-proof`.

    tools/simulation_proof.py [SEEDS]

Programs that rely on nothing but what asyncio documents run by 10,000 seeds each in its own order: each has
to pass each time. Then each runs by 1,000 seeds in two processes whose hashes are random, in both orders:
what has happened must be the same, by its digest. So do programs of libraries, in asyncio's order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ironloop
import trustme

SEEDS = 10_000
COMPARED = 1_000

# Programs of libraries: only compared.
LIBRARIES = Path(__file__).resolve().parent.parent / "tests" / "simulated_libraries.py"

Program = Callable[[], Coroutine[Any, Any, None]]
PROGRAMS: list[Program] = []


def program(function: Program) -> Program:
    PROGRAMS.append(function)
    return function


@program
async def callbacks_come_in_their_order() -> None:
    loop = asyncio.get_running_loop()
    seen: list[int] = []
    future = loop.create_future()
    for number in range(10):
        loop.call_soon(seen.append, number)
        future.add_done_callback(lambda _, more=20 + number: seen.append(more))  # type: ignore[misc]
    loop.call_soon(future.set_result, None)
    await future
    await asyncio.sleep(0.001)
    assert seen == [*range(10), *range(20, 30)]


@program
async def timers_come_by_their_times() -> None:
    loop = asyncio.get_running_loop()
    seen: list[int] = []
    for number in (5, 3, 8, 1, 9, 2):
        loop.call_later(number, seen.append, number)
    cancelled = loop.call_later(4, seen.append, 4)
    cancelled.cancel()
    await asyncio.sleep(20)
    assert seen == [1, 2, 3, 5, 8, 9]


@program
async def tasks_take_turns() -> None:
    steps: list[str] = []

    async def walk(name: str) -> None:
        for _ in range(5):
            steps.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*map(walk, "abcd"))
    assert "".join(steps) == "abcd" * 5


@program
async def a_queue_keeps_its_order() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(3)
    got: list[int] = []

    async def produce() -> None:
        for number in range(30):
            await queue.put(number)
            if number % 7 == 0:
                await asyncio.sleep(0.01)

    async def consume() -> None:
        while True:
            got.append(await queue.get())
            queue.task_done()

    consumer = asyncio.create_task(consume())
    await produce()
    await queue.join()
    consumer.cancel()
    assert got == list(range(30))


@program
async def a_lock_is_handed_over_in_turn() -> None:
    lock, inside, order = asyncio.Lock(), 0, []

    async def work(number: int) -> None:
        nonlocal inside
        async with lock:
            inside += 1
            assert inside == 1
            order.append(number)
            await asyncio.sleep(number % 3 / 10)
            inside -= 1

    await asyncio.gather(*map(work, range(8)))
    assert order == list(range(8))


@program
async def semaphores_events_and_conditions_hold() -> None:
    semaphore, event, condition = asyncio.Semaphore(2), asyncio.Event(), asyncio.Condition()
    inside, most, woken = 0, 0, 0

    async def work() -> None:
        nonlocal inside, most, woken
        await event.wait()
        async with semaphore:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.1)
            inside -= 1
        async with condition:
            woken += 1
            condition.notify_all()

    tasks = [asyncio.create_task(work()) for _ in range(7)]
    await asyncio.sleep(1)
    assert inside == 0
    event.set()
    async with condition:
        await condition.wait_for(lambda: woken == 7)
    await asyncio.gather(*tasks)
    assert most == 2


@program
async def groups_and_timeouts_cancel() -> None:
    ended: list[str] = []

    async def lasts(name: str) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append(name)

    async def fails() -> None:
        await asyncio.sleep(1)
        raise ZeroDivisionError

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(lasts("a"))
            group.create_task(fails())
            group.create_task(lasts("b"))
    except* ZeroDivisionError:
        ended.append("group")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            await lasts("timeout")
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(lasts("wait_for"), 5)
    # Which of its tasks a group cancels first, nobody says.
    assert sorted(ended[:2]) == ["a", "b"] and ended[2:] == ["group", "timeout", "wait_for"]


@program
async def results_come_in_the_order_of_their_questions() -> None:
    async def answer(number: int) -> int:
        await asyncio.sleep((number * 7) % 5)
        return number

    assert await asyncio.gather(*map(answer, range(10))) == list(range(10))
    first = [await each for each in asyncio.as_completed([answer(3), answer(1), answer(5)])]
    assert sorted(first) == [1, 3, 5] and first[0] == 5
    done, pending = await asyncio.wait([asyncio.create_task(answer(n)) for n in range(4)], timeout=2.5)
    assert {task.result() for task in done} == {0, 1, 3}
    assert {await task for task in pending} == {2}


@program
async def threads_do_their_work() -> None:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as one:
        done: list[int] = []
        await asyncio.gather(*(loop.run_in_executor(one, done.append, number) for number in range(6)))
        assert done == list(range(6))
    assert await asyncio.gather(*(asyncio.to_thread(abs, -number) for number in range(6))) == list(range(6))
    event = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(event.set))
    await asyncio.to_thread(thread.start)
    await asyncio.to_thread(thread.join)
    await asyncio.wait_for(event.wait(), 10)


async def _talk(**tls: Any) -> None:
    """Over UNIX sockets: lines are answered, each in its order, and the end is heard of."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    async def ask(path: str, name: str) -> None:
        reader, writer = await asyncio.open_unix_connection(path, limit=200_000, **tls.get("client", {}))
        for number in range(5):
            writer.write(f"{name} {number}\n".encode())
            assert await reader.readline() == f"{name} {number}\n".upper().encode()
        writer.write(b"x" * 100_000 + b"\n")
        assert len(await reader.readline()) == 100_001
        writer.close()
        await writer.wait_closed()

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "socket")
        async with await asyncio.start_unix_server(serve, path, limit=200_000, **tls.get("server", {})):
            await asyncio.gather(*(ask(path, name) for name in "abc"))


@program
async def streams_keep_their_bytes() -> None:
    left, right = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=left)
    other_reader, other_writer = await asyncio.open_connection(sock=right)
    writer.write(b"one\ntwo\n")
    assert await other_reader.readline() == b"one\n"
    other_writer.write(b"three")
    other_writer.close()
    assert await reader.read() == b"three"
    assert await other_reader.readline() == b"two\n"
    writer.close()


@program
async def servers_answer_line_by_line() -> None:
    await _talk()


_authority = trustme.CA()
_server, _client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
_authority.issue_cert("simulated.test").configure_cert(_server)
_authority.configure_trust(_client)


@program
async def tls_keeps_its_lines() -> None:
    await _talk(server={"ssl": _server}, client={"ssl": _client, "server_hostname": "simulated.test"})


def prove(seeds: int) -> int:
    """How many programs give an alarm."""
    alarms = 0
    for each in PROGRAMS:
        begun = time.perf_counter()
        try:
            ironloop.simulate(seeds=seeds)(each)()
            verdict = "no alarm"
        except BaseException as error:
            alarms += 1
            verdict = "\n".join([repr(error), *getattr(error, "__notes__", ())])
        seconds = time.perf_counter() - begun
        print(f"{each.__name__}: {seeds:,} seeds, {seeds / seconds:,.0f} a second: {verdict}", flush=True)
    return alarms


def digests(seeds: int) -> None:
    """One line a program, order and seed: what has happened, in a number."""
    for each in PROGRAMS:
        for order in ("asyncio", "tasks"):
            for seed in range(seeds):
                simulation = ironloop.simulation(seed, order=order)
                simulation._records = False
                with contextlib.suppress(AssertionError):
                    simulation.run(each())
                print(each.__name__, order, seed, simulation.digest)


def compare(seeds: int) -> int:
    """How many runs differ between two processes."""
    ours = [__file__, "--digests", str(seeds)]
    return sum(_differing(command) for command in (ours, [str(LIBRARIES), str(seeds)]))


def _differing(command: list[str]) -> int:
    command = [sys.executable, *command]
    environment = {**os.environ, "PYTHONHASHSEED": "random"}
    runs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    with ThreadPoolExecutor(2) as readers:
        one, other = readers.map(lambda run: run.communicate()[0].splitlines(), runs)
    differing = [line for line, others in zip(one, other, strict=True) if line != others]
    print(f"{len(one):,} runs in two processes: {len(differing)} differ {differing[:5]}", flush=True)
    return len(differing) + any(run.returncode for run in runs)


def main() -> int:
    match sys.argv[1:]:
        case ["--digests", seeds]:
            digests(int(seeds))
            return 0
        case [seeds]:
            return bool(prove(int(seeds)) + compare(max(1, int(seeds) // 10)))
        case _:
            return bool(prove(SEEDS) + compare(COMPARED))


if __name__ == "__main__":
    sys.exit(main())
