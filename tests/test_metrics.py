"""`loop.metrics()`: a loop in numbers, with a recording and without; and the same names outside."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time

import ironloop
import pytest
from watched import DEADLOCK, begun_in, view

unrecorded = pytest.mark.skipif(os.environ.get("IRONLOOP_WATCH") == "1", reason="everything is recorded")


@pytest.fixture
def program(tmp_path):
    yield from begun_in(tmp_path)


async def _waits(event):
    await event.wait()


async def _three_tasks():
    """One that sleeps, one that waits for a lock, one that waits for an event; and what ends them."""
    lock = ironloop.Lock()
    await lock.acquire()
    tasks = [
        asyncio.create_task(asyncio.sleep(1000)),
        asyncio.create_task(lock.acquire()),
        asyncio.create_task(_waits(ironloop.Event())),
    ]
    await asyncio.sleep(0)
    return tasks


async def _end(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@unrecorded
def test_what_a_loop_knows_without_a_recording():
    async def main():
        loop = asyncio.get_running_loop()
        tasks = await _three_tasks()
        handle = loop.call_later(1000, print)
        loop.call_soon(lambda: None)
        metrics = loop.metrics()
        handle.cancel()
        await _end(tasks)
        return metrics

    metrics = ironloop.run(main())
    assert not metrics.recorded
    assert metrics.tasks == {"RUNNING": 1, "READY": 0, "SUSPENDED": 3}
    assert metrics.waiting == {"sleep": 1, "lock": 1, "event": 1}
    assert (metrics.ready, metrics.timers) == (1, 2)
    assert metrics.items >= 4
    assert (metrics.transports, metrics.connections, metrics.buffered) == (0, 0, 0)
    assert metrics.step_time is metrics.received is metrics.missed is None


def test_a_recorded_loop_has_times_as_well():
    async def main():
        ironloop.watch()
        loop = asyncio.get_running_loop()
        loop.metrics()
        tasks = await _three_tasks()
        for _ in range(100):
            await asyncio.sleep(0)
        await asyncio.sleep(0.002)
        metrics = loop.metrics()
        await _end(tasks)
        return metrics

    metrics = ironloop.run(main())
    assert metrics.recorded and metrics.missed == metrics.refused == 0
    assert metrics.tasks == {"RUNNING": 1, "READY": 0, "SUSPENDED": 3}
    assert metrics.waiting == {"sleep": 1, "lock": 1, "event": 1}
    assert metrics.tasks_made >= 4
    step, ready, turn = metrics.step_time, metrics.ready_time, metrics.turn_time
    assert step.count == ready.count >= 103 and turn.count >= 100
    assert 0 < step.percentile(50) <= step.percentile(99) <= step.max <= step.sum
    assert step.percentile(100) <= step.max and step.mean == step.sum / step.count
    assert step.below(1000) == step.count == sum(count for _, count in step.lengths)
    with pytest.raises(ValueError, match="between 0 and 100"):
        step.percentile(101)


def test_nothing_is_missed_however_many_events_there_are():
    async def main():
        ironloop.watch()
        asyncio.get_running_loop().metrics()

        async def work():
            for _ in range(3000):
                await asyncio.sleep(0)

        # More than the ring has room for.
        await asyncio.gather(*(work() for _ in range(100)))
        return asyncio.get_running_loop().metrics()

    metrics = ironloop.run(main())
    assert metrics.missed == 0 and metrics.step_time.count >= 300_000


def test_a_timer_that_is_late_shows():
    async def main():
        ironloop.watch()
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        loop.call_later(0.001, done.set)
        await asyncio.sleep(0)
        time.sleep(0.05)  # noqa: ASYNC251
        await done.wait()
        await asyncio.sleep(0)
        return loop.metrics()

    lag = ironloop.run(main()).lag
    assert lag.count == 1 and lag.max >= 0.04 and lag.percentile(50) >= 0.04


@pytest.mark.parametrize("recorded", [False, True])
def test_transports_and_what_waits_in_them(recorded):
    async def main():
        if recorded:
            ironloop.watch()
        loop, accepted = asyncio.get_running_loop(), asyncio.Queue()

        class Held(asyncio.Protocol):
            def connection_made(self, transport):
                transport.pause_reading()
                accepted.put_nowait(transport)

        server = await loop.create_server(Held, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        transport, _ = await loop.create_connection(asyncio.Protocol, *address)
        peer = await accepted.get()
        datagrams, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        before = loop.metrics()
        transport.set_write_buffer_limits(1 << 30)
        while transport.get_write_buffer_size() == 0:
            transport.write(bytes(1 << 20))
        transport.write(bytes(1000))
        full, size = loop.metrics(), transport.get_write_buffer_size()
        peer.resume_reading()
        while transport.get_write_buffer_size():
            await asyncio.sleep(0.001)
        drained = loop.metrics()
        peer.pause_reading()
        transport.write(bytes(1 << 24))
        aborted = loop.metrics()
        for one in (transport, datagrams, peer):
            one.abort()
        server.close()
        while loop.metrics().transports:
            await asyncio.sleep(0)
        return before, full, size, drained, aborted, loop.metrics()

    before, full, size, drained, aborted, after = ironloop.run(main())
    assert (before.transports, before.connections, before.buffered) == (3, 3, 0)
    assert full.buffered == size > 1000
    assert drained.buffered == 0 < aborted.buffered
    assert (after.transports, after.connections, after.buffered) == (0, 3, 0)
    if recorded:
        assert after.sent >= full.sent > 0


def test_a_transport_that_nobody_closes_is_not_counted_for_ever():
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
        server.close()
        return loop

    loop = ironloop.new_event_loop()
    try:
        loop.run_until_complete(main())
        assert loop.metrics().transports == 2
    finally:
        with pytest.warns(ResourceWarning):
            loop.close()
            gc.collect()


def test_another_thread_may_ask():
    async def main():
        ironloop.watch()
        found = []
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=lambda: found.append(loop.metrics()))
        tasks = await _three_tasks()
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.001)
        thread.join()
        await _end(tasks)
        return found[0]

    metrics = ironloop.run(main())
    assert sum(metrics.tasks.values()) == 4 and metrics.step_time.count > 0


def test_a_closed_loop_has_no_numbers():
    loop = ironloop.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.metrics()


def test_the_numbers_have_the_same_names_outside(program):
    child = program(DEADLOCK)
    text = view("metrics", str(child.pid))
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    for name in ("ironloop_transports", "ironloop_connections_total", "ironloop_buffered_bytes"):
        assert numbers[name] == "0"
    assert numbers["ironloop_rows_refused_total"] == numbers["ironloop_events_missed_total"] == "0"
