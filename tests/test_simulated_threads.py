"""Threads that are no executor's, in simulations: waited for while they work, heard in an order of chance."""

import asyncio
import os
import queue
import socket
import subprocess
import sys
import threading
import time

import ironloop
import pytest
from conftest import needs_ironloop
from ironloop.simulator import Deadlock, Escape, threads
from programs import ROOT

pytestmark = needs_ironloop


class Worker:
    """A thread with a queue, as libraries have it: it does what it is told, and tells the loop."""

    def __init__(self):
        self._orders = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self):
        while (order := self._orders.get()) is not None:
            function, future = order
            self._loop.call_soon_threadsafe(future.set_result, function())

    async def do(self, function):
        future = self._loop.create_future()
        self._orders.put((function, future))
        return await future

    def end(self):
        self._orders.put(None)
        self._thread.join()


def counts_slowly():
    """Most of it with Python's lock, some of it without."""
    number = 0
    for _ in range(5):
        number += sum(range(2000))
        time.sleep(0.001)
    return number


async def work():
    worker, done = Worker(), []

    async def ask(name):
        assert await worker.do(counts_slowly) == 5 * sum(range(2000))
        done.append(name)

    # It is awaited: no time passes but what chance gives.
    async with asyncio.timeout(0.2):
        await asyncio.gather(*map(ask, "abc"))
    worker.end()
    return done


async def work_of_several():
    workers = [Worker() for _ in range(4)]
    done = []

    async def ask(number):
        await workers[number].do(counts_slowly)
        done.append(number)

    async with asyncio.timeout(0.2):
        await asyncio.gather(*map(ask, range(4)))
    for worker in workers:
        worker.end()
    return done


def run(main, seed):
    with ironloop.simulation(seed) as sim:
        result = sim.run(main())
    return result, sim.digest


def test_a_thread_that_works_is_waited_for():
    assert {tuple(run(work, seed)[0]) for seed in range(5)} == {("a", "b", "c")}


def test_several_answer_in_the_order_of_their_seed():
    runs = [run(work_of_several, seed) for seed in range(12)]
    assert runs == [run(work_of_several, seed) for seed in range(12)]
    assert len({tuple(done) for done, _ in runs}) > 3


def test_anyios_workers_are_waited_for():
    anyio = pytest.importorskip("anyio")

    async def main():
        done = []

        async def ask(number):
            await anyio.to_thread.run_sync(counts_slowly)
            done.append(number)
            await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(anyio.sleep, 30))

        with anyio.fail_after(31):
            async with anyio.create_task_group() as group:
                for number in range(3):
                    group.start_soon(ask, number)
        return done

    runs = [run(main, seed) for seed in range(6)]
    assert runs == [run(main, seed) for seed in range(6)]


def test_files_threads_are_waited_for(tmp_path):
    async def main():
        async with asyncio.timeout(0.5):
            async with await ironloop.open(tmp_path / "file", "w+") as file:
                for number in range(20):
                    await file.write(f"{number}\n" * 1000)
                    await file.flush()
                await file.seek(0)
                return len(await file.read())

    runs = [run(main, seed) for seed in range(6)]
    assert runs == [run(main, seed) for seed in range(6)]


def test_a_thread_that_waits_for_ever_is_no_hope():
    async def main():
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run(main, 1)


def test_a_thread_that_computes_for_long_does_not_stop_it_and_is_heard():
    async def main():
        loop, heard = asyncio.get_running_loop(), asyncio.Event()

        def sleep():
            time.sleep(1.5)
            loop.call_soon_threadsafe(heard.set)

        threading.Thread(target=sleep).start()
        await heard.wait()
        return "heard"

    before = sys.getswitchinterval()
    assert run(main, 1)[0] == "heard"
    assert sys.getswitchinterval() == before


def test_what_a_thread_cancels_is_not_done():
    async def main():
        loop, seen = asyncio.get_running_loop(), []

        def speak():
            loop.call_soon_threadsafe(seen.append, 1).cancel()
            loop.call_soon_threadsafe(seen.append, 2)

        threading.Thread(target=speak).start()
        await asyncio.sleep(1)
        return seen

    assert run(main, 1)[0] == [2]


PROGRAM = """
import sys
sys.path[:0] = {folders!r}
from test_simulated_threads import run, work, work_of_several
for seed in range(10):
    print(run(work, seed), run(work_of_several, seed))
"""


def test_two_processes_agree():
    program = PROGRAM.format(folders=[str(ROOT / "tests"), str(ROOT / "tools")])
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1] and runs[0]


def test_a_thread_that_computes_for_long_is_waited_for(monkeypatch):
    monkeypatch.setattr(threads, "PATIENCE", 0.1)

    def compute():
        end = time.perf_counter() + 0.3
        while time.perf_counter() < end:
            pass
        return "computed"

    async def main():
        worker = Worker()
        async with asyncio.timeout(0.2):
            found = [await worker.do(compute), await asyncio.to_thread(compute)]
        worker.end()
        return found

    with ironloop.simulation(1) as sim:
        assert sim.run(main()) == ["computed"] * 2
        assert sim.unruled == []


def test_what_a_seed_does_not_rule_is_said(monkeypatch):
    monkeypatch.setattr(threads, "PATIENCE", 0.1)

    async def main():
        worker = Worker()
        source, target = os.pipe()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await worker.do(lambda: os.read(source, 1))
        os.write(target, b"x")
        worker.end()
        os.close(source)
        os.close(target)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as told, ironloop.simulation(1) as sim:
        sim.run(main())
    assert len(sim.unruled) == 1
    assert "for something else than a lock" in told.value.__notes__[-1]
    with pytest.raises(ZeroDivisionError) as told:
        ironloop.simulate(seeds=1)(main)()
    assert any("not ruled by the seed: thread" in note for note in told.value.__notes__)


def test_a_threads_own_sockets_are_outside_whoever_has_begun_it():
    async def main():
        def connect():
            with socket.socket() as sock:
                sock.connect(("127.0.0.1", 9))

        worker, loop = Worker(), asyncio.get_running_loop()
        future = loop.create_future()

        def attempt():
            try:
                connect()
            except BaseException as error:
                loop.call_soon_threadsafe(future.set_exception, error)

        await worker.do(attempt)
        try:
            await future
        finally:
            worker.end()

    with pytest.raises(Escape, match="in a thread"):
        run(main, 1)


def test_a_c_clients_sockets_are_seen_once_they_are_watched():
    async def main():
        # As of a library that makes its own, and has the loop watch them.
        asyncio.get_running_loop().add_reader(real.fileno(), print)

    with socket.socket() as real, pytest.raises(Escape, match="a real socket"):
        run(main, 1)
