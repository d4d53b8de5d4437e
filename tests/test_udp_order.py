"""Datagrams that have come at once are delivered one a turn, as far as the program can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from datagrams import Recorder, endpoint, name_of, plain_socket
from support import until

COUNT = 100


class Scheduling(Recorder):
    """Has something to do for each datagram; ``most`` is for how many at a time that was still to be done."""

    def __init__(self, schedule: Callable[..., Any]) -> None:
        super().__init__()
        self.schedule = schedule
        self.open = self.most = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        self.open += 1
        self.most = max(self.most, self.open)
        self.schedule(self.done)

    def done(self) -> None:
        self.open -= 1


async def most_open(schedule: Callable[..., Any]) -> int:
    async with endpoint(lambda: Scheduling(schedule)) as end:
        with plain_socket() as peer:
            for number in range(COUNT):
                peer.sendto(b"%d" % number, name_of(end))
            await until(lambda: len(end.received) == COUNT and not end.open)
            assert [int(data) for data, _ in end.received] == list(range(COUNT))
            return end.most


def test_what_a_datagram_schedules_runs_before_the_next(run):
    async def main():
        assert await most_open(asyncio.get_running_loop().call_soon) == 1

    run(main)


def test_a_task_that_a_datagram_starts_begins_before_the_next(run):
    async def call(function):
        function()

    async def main():
        tasks = set()
        assert await most_open(lambda done: tasks.add(asyncio.ensure_future(call(done)))) == 1

    run(main)


def test_a_timer_that_is_due_is_late_by_one_datagram(run):
    """A turn first hears of sockets, then of timers."""

    async def main():
        assert await most_open(lambda done: asyncio.get_running_loop().call_later(0, done)) == 2

    run(main)


def test_a_bounded_queue_between_protocol_and_task_loses_nothing(run):
    async def main():
        queue: asyncio.Queue[bytes] = asyncio.Queue(2)

        class Queueing(Recorder):
            def datagram_received(self, data, addr):
                queue.put_nowait(data)

        async with endpoint(Queueing) as end:
            with plain_socket() as peer:
                for number in range(COUNT):
                    peer.sendto(b"%d" % number, name_of(end))
                assert [int(await queue.get()) for _ in range(COUNT)] == list(range(COUNT))

    run(main)


def test_a_loop_that_is_stopped_delivers_no_more(loop):
    class Stopping(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            loop.stop()

    async def make():
        return await asyncio.get_running_loop().create_datagram_endpoint(
            Stopping, local_addr=("127.0.0.1", 0)
        )

    transport, end = loop.run_until_complete(make())
    with plain_socket() as peer:
        for _ in range(3):
            peer.sendto(b"x", name_of(end))
        for count in (1, 2, 3):
            loop.run_forever()
            assert len(end.received) == count
    transport.close()
    loop.run_until_complete(asyncio.sleep(0))
