"""`loop._selector.select`, which virtual clocks and meters replace: the loop waits by what stands there."""

import asyncio
import functools
import selectors
import signal
import threading
from unittest import mock

import pytest
from conftest import needs_ironloop
from support import PATIENCE, Echo, connected, socket_pair, until


def jumping(now, select):
    """Time passes where the loop would wait, and only there; `now` is a list of one number."""

    def jump(timeout=None):
        ready = select(0)
        if not ready:
            if timeout is None:
                return select(timeout)
            now[0] += timeout
        return ready

    return jump


class Wrapper:
    """A selector around another; the loop finds all else in that."""

    def __init__(self, selector):
        self.selector = selector
        self.timeouts = []

    def select(self, timeout=None):
        self.timeouts.append(timeout)
        return self.selector.select(timeout)

    def __getattr__(self, name):
        return getattr(self.selector, name)


@pytest.fixture
def metered(loop):
    """A loop whose selector is wrapped; the wrapper knows the timeouts."""
    loop._selector = Wrapper(loop._selector)
    return loop


def test_each_wait_goes_through_what_stands_there(loop, vocabulary):
    asked = []

    async def main():
        select = loop._selector.select
        loop._selector.select = lambda timeout=None: asked.append(timeout) or select(timeout)
        await vocabulary.sleep(0)
        await vocabulary.sleep(0.01)
        del loop._selector.select
        count = len(asked)
        await vocabulary.sleep(0.001)
        assert len(asked) == count

    loop.run_until_complete(main())
    assert 0 in asked
    assert 0 < max(asked) <= 0.01


def test_the_timeouts_are_asyncios(metered, vocabulary):
    async def main():
        metered.call_later(1e9, int)
        far = metered.create_future()
        metered.call_later(0.01, far.set_result, None)
        await far

    metered.run_until_complete(main())
    assert all(timeout is None or 0 <= timeout <= 86400 for timeout in metered._selector.timeouts)
    waiting = metered.create_future()
    threading.Timer(0.01, metered.call_soon_threadsafe, [waiting.set_result, None]).start()
    metered._selector.timeouts.clear()
    metered.run_until_complete(waiting)
    assert 86400 in metered._selector.timeouts


def test_a_virtual_clock(loop, vocabulary):
    now = [1000.0]
    with (
        mock.patch.object(loop._selector, "select", jumping(now, loop._selector.select)),
        mock.patch.object(loop, "time", lambda: now[0]),
        mock.patch.object(loop, "_clock_resolution", 0.001),
    ):

        async def main():
            await vocabulary.sleep(3600)
            assert now[0] == pytest.approx(4600)
            with pytest.raises(TimeoutError):
                async with vocabulary.timeout(7200):
                    await loop.create_future()
            assert now[0] == pytest.approx(11800)
            done, _ = await vocabulary.wait([loop.create_future()], timeout=100)
            assert not done
            await vocabulary.gather(*(vocabulary.sleep(delay / 10) for delay in range(100)))
            return now[0]

        assert loop.run_until_complete(asyncio.wait_for(main(), 20_000)) == pytest.approx(11_909.9)
    assert loop.time() != now[0]
    loop.run_until_complete(vocabulary.sleep(0.001))


def test_connections(metered):
    async def main():
        async with connected(Echo) as (near, far):
            for size in (1, 100_000):
                near.transport.write(b"x" * size)
            assert len(await near.received(100_001)) == 100_001
            near.transport.close()
            await far.lost

    metered.run_until_complete(main())
    assert metered._selector.timeouts


def test_descriptors(metered):
    async def main():
        with socket_pair() as (near, far):
            told = metered.create_future()
            metered.add_reader(near, told.set_result, "readable")
            far.send(b"x")
            assert await told == "readable"
            metered.remove_reader(near)
            assert await metered.sock_recv(near, 10) == b"x"
            receiving = asyncio.ensure_future(metered.sock_recv(near, 10))
            await asyncio.sleep(0)
            far.send(b"y")
            assert await receiving == b"y"

    metered.run_until_complete(main())


def test_threads_and_signals_end_a_wait(metered):
    async def main():
        assert await asyncio.to_thread(lambda: 42) == 42
        seen = asyncio.Event()
        metered.add_signal_handler(signal.SIGUSR1, seen.set)
        await asyncio.to_thread(signal.raise_signal, signal.SIGUSR1)
        await asyncio.wait_for(seen.wait(), PATIENCE)
        metered.remove_signal_handler(signal.SIGUSR1)

    metered.run_until_complete(main())


def test_what_a_tool_keeps_back_is_reported_again(loop):
    """Descriptors are level-triggered to those who look: a report that was not passed on is not lost."""
    kept_back = []
    select = loop._selector.select

    def moody(timeout=None):
        ready = select(timeout)
        if (
            any(mask & selectors.EVENT_READ and key.fd == watched for key, mask in ready)
            and len(kept_back) < 3
        ):
            kept_back.append(ready)
            return []
        return ready

    watched = -1

    async def main():
        nonlocal watched
        async with connected(Echo) as (near, _):
            watched = near.transport.get_extra_info("socket").fileno()
            loop._selector.select = moody
            near.transport.write(b"hello")
            assert await asyncio.wait_for(near.received(5), PATIENCE) == b"hello"

    loop.run_until_complete(main())
    assert len(kept_back) == 3


def test_who_only_looks_takes_nothing_away(loop):
    async def main():
        async with connected(Echo) as (near, _):
            near.transport.write(b"hello")
            while not near.data:
                loop._selector.select(0)
                await asyncio.sleep(0)
            assert near.data == b"hello"

    loop.run_until_complete(asyncio.wait_for(main(), PATIENCE))


def test_what_is_reported_is_a_key_and_a_mask(loop):
    async def main():
        with socket_pair() as (near, far):
            loop.add_reader(near, int)
            far.send(b"x")
            [(key, mask)] = [
                event for event in loop._selector.select(PATIENCE) if event[0].fd == near.fileno()
            ]
            assert isinstance(key, selectors.SelectorKey)
            assert mask == selectors.EVENT_READ == key.events
            reader, writer = key.data
            assert reader._callback is int
            assert writer is None
            assert near.fileno() in loop._selector.get_map()
            assert loop._selector.get_key(near).fd == near.fileno()
            loop.remove_reader(near)
            assert near.fileno() not in loop._selector.get_map()

    loop.run_until_complete(main())


@pytest.mark.parametrize("where", ["subclass", "instance"])
def test_process_events(loop_factory, where):
    """Those who replace it see the events of each turn."""
    stock = loop_factory()
    stock.close()
    kind, seen = type(stock), []

    def process(self, events):
        seen.extend(events)
        kind._process_events(self, events)

    if where == "subclass":
        loop = type("Sub", (kind,), {"_process_events": process})()
    else:
        loop = kind()
        loop._process_events = process.__get__(loop)

    async def main():
        with socket_pair() as (near, far):
            far.send(b"x")
            told = loop.create_future()
            loop.add_reader(near, told.set_result, None)
            await told
            loop.remove_reader(near)
            assert near.fileno() in {key.fd for key, _ in seen}

    loop.run_until_complete(main())
    loop.close()


def test_a_selector_that_raises(loop):
    """The error leaves `run_forever`, and the loop can go on."""

    def fail(timeout):
        raise KeyError("select")

    with mock.patch.object(loop._selector, "select", fail):
        loop.call_soon(int)
        with pytest.raises(KeyError):
            loop.run_forever()
    loop.run_until_complete(asyncio.sleep(0.001))


def test_a_meter_of_the_time_between_waits(loop):
    """What one puts there by functools.partial is as good as a function."""
    turns = []

    def meter(select, timeout=None):
        turns.append(loop.time())
        return select(timeout)

    loop._selector.select = functools.partial(meter, loop._selector.select)
    loop.run_until_complete(until(lambda: len(turns) > 5))


@needs_ironloop
def test_a_tool_cannot_register_by_the_selector_what_ironloop_watches_itself():
    """asyncio's registers what it is told to, and trips over what it did not expect."""
    import ironloop

    loop = ironloop.new_event_loop()
    assert isinstance(loop._selector, selectors.BaseSelector)
    with socket_pair() as (near, _), pytest.raises(NotImplementedError, match="add_reader"):
        loop._selector.register(near, selectors.EVENT_READ)
    loop.close()
