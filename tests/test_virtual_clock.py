"""A loop whose clock jumps in the place of waiting."""

import asyncio
import time

import ironloop
import pytest
from conftest import needs_ironloop

pytestmark = needs_ironloop
HOUR = 3600


def run(main, clock=None, **options):
    clock = clock or ironloop.VirtualClock()
    with asyncio.Runner(loop_factory=lambda: ironloop.new_event_loop(clock=clock, **options)) as runner:
        return runner.run(main())


@pytest.mark.parametrize("options", [{}, {"native": False}])
def test_sleeps_of_hours_take_no_time(options):
    async def main():
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.sleep(HOUR)
        return loop.time() - begun

    begun = time.monotonic()
    assert HOUR <= run(main, **options) < HOUR + 1
    assert time.monotonic() - begun < HOUR


def test_what_sleeps_wakes_in_the_order_of_deadlines():
    async def main():
        woken = []

        async def sleeper(seconds):
            await asyncio.sleep(seconds)
            woken.append(seconds)

        await asyncio.gather(*map(sleeper, [300, 100, 200, 0.5]))
        return woken

    assert run(main) == [0.5, 100, 200, 300]


def test_a_timeout_comes_when_its_time_is_over():
    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), HOUR)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HOUR):
                await asyncio.sleep(2 * HOUR)
        return asyncio.get_running_loop().time()

    assert 2 * HOUR <= run(main) < 2 * HOUR + 1


def test_the_clock_begins_where_it_is_told_and_can_be_moved():
    clock = ironloop.VirtualClock(start=50)
    assert clock.time() == 50
    clock.advance(1.5)
    assert clock.time() == 51.5
    assert repr(clock) == "<VirtualClock at 51.500000 s>"

    async def main():
        loop = asyncio.get_running_loop()
        fired = loop.create_future()
        loop.call_later(10, fired.set_result, None)
        clock.advance(10)
        begun = loop.time()
        await fired
        return begun, loop.time()

    assert run(main, clock) == (61.5, 61.5)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e12])
def test_what_no_clock_can_read_is_refused(seconds):
    with pytest.raises(ValueError, match="seconds"):
        ironloop.VirtualClock(start=seconds)
    with pytest.raises(ValueError, match="seconds"):
        ironloop.VirtualClock().advance(seconds)


def test_only_such_a_clock_is_taken():
    with pytest.raises(ValueError, match="nested"):
        ironloop.new_event_loop(nested=True, clock=ironloop.VirtualClock())
    with pytest.raises(TypeError, match=r"must be an ironloop\.VirtualClock or None, not float"):
        ironloop.new_event_loop(clock=5.0)


def test_a_subclass_that_loses_its_clock_hears_of_it():
    class Lossy(ironloop.Loop):
        def __init__(self):
            super().__init__(clock=ironloop.VirtualClock())

    with pytest.raises(TypeError, match="__new__"):
        Lossy()


def test_a_thread_that_works_has_its_time():
    async def main():
        return await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.02), HOUR)

    run(main)


def test_a_thread_ends_a_wait_that_has_no_end():
    async def main():
        return await asyncio.to_thread(sum, [1, 2])

    assert run(main) == 3


def test_data_that_is_there_comes_before_time():
    async def main():
        reader, writer = await asyncio.open_connection(sock=own)
        other.send(b"data")
        data = await asyncio.wait_for(reader.read(4), HOUR)
        writer.close()
        return data, asyncio.get_running_loop().time() < HOUR

    import socket

    own, other = socket.socketpair()
    own.setblocking(False)
    with other:
        assert run(main) == (b"data", True)


def test_pythons_own_clocks_stay_what_they_are():
    async def main():
        begun = time.monotonic()
        await asyncio.sleep(HOUR)
        return time.monotonic() - begun

    assert run(main) < HOUR
