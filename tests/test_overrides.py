"""Methods of a loop that a subclass or a tool replaces: all that is built on them asks those."""

import asyncio
import contextlib

import pytest
from support import PATIENCE, socket_pair, until

NAMES = ("call_soon", "call_at", "call_later", "create_future", "create_task")


@pytest.fixture
def base(loop_factory):
    loop = loop_factory()
    loop.close()
    return type(loop)


def spy(base, calls, name):
    original = getattr(base, name)

    def method(self, *arguments, **keywords):
        calls.append(name)
        return original(self, *arguments, **keywords)

    return method


@contextlib.contextmanager
def spied_in_a_subclass(base, calls):
    yield type("Spied", (base,), {name: spy(base, calls, name) for name in NAMES})()


@contextlib.contextmanager
def spied_on_the_instance(base, calls):
    loop = base()
    for name in NAMES:
        setattr(loop, name, spy(base, calls, name).__get__(loop))
    yield loop


@contextlib.contextmanager
def spied_in_the_class_of_a_loop_that_exists(base, calls):
    kind = type("Spied", (base,), {})
    loop = kind()
    for name in NAMES:
        setattr(kind, name, spy(base, calls, name))
    yield loop


@pytest.fixture(
    params=[spied_in_a_subclass, spied_on_the_instance, spied_in_the_class_of_a_loop_that_exists],
    ids=lambda way: way.__name__,
)
def spied(request, base):
    """A loop that notes which of its methods are called, and the notes."""
    calls = []
    with request.param(base, calls) as loop:
        yield loop, calls
        loop.close()


def run(loop, main):
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)


async def in_vain(awaitable):
    """Awaited until it has to wait, and cancelled."""
    task = asyncio.ensure_future(awaitable)
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def locked(of):
    lock = of.Lock()
    await lock.acquire()
    await lock.acquire()


async def notified(of):
    condition = of.Condition()
    async with condition:
        await condition.wait()


async def full(of):
    queue = of.Queue(1)
    await queue.put(1)
    await queue.put(2)


async def expected_next(of, future):
    for soon in of.as_completed([future], timeout=0.001):
        with contextlib.suppress(TimeoutError):
            await soon


async def limited(of, seconds):
    with contextlib.suppress(TimeoutError):
        async with of.timeout(seconds):
            await asyncio.get_running_loop().create_future()


async def grouped(of):
    async with of.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))


TIMED = {"call_at", "call_later", "create_future"}

ASKED = {
    "sleep": (lambda of, future: of.sleep(0.001), TIMED),
    "wait": (lambda of, future: of.wait([future], timeout=0.001), TIMED),
    "as_completed": (expected_next, TIMED),
    "timeout": (lambda of, future: limited(of, 0.001), {"call_at"}),
    "timeout that has passed": (lambda of, future: limited(of, -1), {"call_soon"}),
    "wait_for": (lambda of, future: in_vain(of.wait_for(future, PATIENCE)), {"call_at"}),
    "gather": (lambda of, future: of.gather(asyncio.sleep(0), asyncio.sleep(0)), {"create_task"}),
    "TaskGroup": (lambda of, future: grouped(of), {"create_task", "create_future"}),
    "shield": (lambda of, future: in_vain(of.shield(future)), {"create_future"}),
    "Lock": (lambda of, future: in_vain(locked(of)), {"create_future"}),
    "Event": (lambda of, future: in_vain(of.Event().wait()), {"create_future"}),
    "Condition": (lambda of, future: in_vain(notified(of)), {"create_future"}),
    "Semaphore": (lambda of, future: in_vain(of.Semaphore(0).acquire()), {"create_future"}),
    "Queue.get": (lambda of, future: in_vain(of.Queue().get()), {"create_future"}),
    "Queue.put": (lambda of, future: in_vain(full(of)), {"create_future"}),
    "StreamReader": (lambda of, future: in_vain(of.StreamReader().read(1)), {"create_future"}),
}


@pytest.mark.parametrize("name", ASKED)
def test_the_vocabulary_asks_the_loops_own_methods(spied, vocabulary, name):
    loop, calls = spied
    use, asked = ASKED[name]

    async def main():
        future = loop.create_future()
        calls.clear()
        with contextlib.suppress(TimeoutError):
            await use(vocabulary, future)
        assert asked <= set(calls)

    run(loop, main())


def test_call_later_asks_call_at(base):
    class Late(base):
        def call_at(self, when, callback, *args, context=None):
            return super().call_at(when - 3600, callback, *args, context=context)

    loop, called = Late(), []
    handle = loop.call_later(3600, called.append, "at once")
    assert handle.when() < loop.time()
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert called == ["at once"]
    loop.close()


def test_call_soon_is_asked_for_each_step_of_a_task(spied, vocabulary):
    loop, calls = spied

    async def child(future):
        await vocabulary.sleep(0)
        return await future

    async def main():
        future = loop.create_future()
        calls.clear()
        task = loop.create_task(child(future))
        assert calls == ["create_task", "call_soon"]
        await asyncio.sleep(0)
        calls.clear()
        await asyncio.sleep(0)
        assert calls == ["call_soon"]  # of this task: the other waits for the future
        calls.clear()
        future.set_result(42)
        assert calls == ["call_soon"]
        assert await task == 42

    run(loop, main())


def test_a_loop_that_runs_the_last_first(base):
    """What `call_soon` does with a step is its own affair."""

    class LastFirst(base):
        waiting = None

        def call_soon(self, callback, *args, context=None):
            if self.waiting is None:
                self.waiting = []
                super().call_soon(self.release)
            handle = asyncio.Handle(callback, args, self, context)
            self.waiting.append(handle)
            return handle

        def release(self):
            waiting, self.waiting = self.waiting, None
            for handle in reversed(waiting):
                if not handle.cancelled():
                    handle._run()

    order = []

    async def note(name):
        order.append(name)
        await asyncio.sleep(0)
        order.append(name.upper())

    async def main():
        await asyncio.gather(*map(note, "abc"))

    run(LastFirst(), main())
    assert order == [*"cba", *"ABC"]


def test_what_is_taken_back_is_asked_no_more(loop, vocabulary):
    calls = []

    async def main():
        for name in NAMES:
            setattr(loop, name, spy(type(loop), calls, name).__get__(loop))
        await vocabulary.sleep(0.001)
        assert set(calls) >= TIMED
        for name in NAMES:
            delattr(loop, name)
        calls.clear()
        await vocabulary.sleep(0.001)
        await vocabulary.wait([vocabulary.create_task(asyncio.sleep(0))], timeout=PATIENCE)
        assert calls == []

    loop.run_until_complete(main())


@pytest.mark.parametrize("where", ["subclass", "instance", "class"])
def test_run_once(base, where):
    """Meters of latency wrap it: each turn of `run_forever` goes through."""
    turns = []

    def run_once(self):
        turns.append(self)
        base._run_once(self)

    kind = type("Metered", (base,), {"_run_once": run_once} if where == "subclass" else {})
    loop = kind()
    if where == "instance":
        loop._run_once = run_once.__get__(loop)
    elif where == "class":
        kind._run_once = run_once

    async def main():
        for _ in range(5):
            await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert len(turns) >= 5
    loop.close()


# The clock


@pytest.mark.parametrize("where", ["subclass", "instance", "class"])
@pytest.mark.parametrize("start", [0.0, -5e6, 1.7e9, 1.7e12, 1e14], ids=repr)
def test_a_clock_of_any_magnitude(base, vocabulary, where, start):
    """Milliseconds since 1970, say: timers wait, none comes before its time, and they come in their order."""
    real = base.time

    def time(self):
        return start + real(self)

    kind = type("Timed", (base,), {"time": time} if where == "subclass" else {})
    loop = kind()
    if where == "instance":
        loop.time = time.__get__(loop)
    elif where == "class":
        kind.time = time
    fired = []

    async def main():
        begun = loop.time()
        for delay in (3600, 0.25, 0.125):
            loop.call_later(delay, lambda delay=delay: fired.append((delay, loop.time() - begun)))
        await vocabulary.sleep(0.0625)
        assert loop.time() >= begun + 0.0625
        await until(lambda: len(fired) == 2)
        assert [delay for delay, _ in fired] == [0.125, 0.25]
        assert all(passed >= delay for delay, passed in fired)

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


@pytest.mark.parametrize("never", [float("inf"), 1e300, 9.3e9, 9.2e9], ids=repr)
def test_times_that_never_come(loop, never):
    called = []
    loop.call_later(never, called.append, never)
    loop.call_at(never, called.append, never)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert called == []


def test_times_that_were_never(loop):
    called = []
    loop.call_at(-1e300, called.append, "long ago")
    loop.call_at(float("-inf"), called.append, "for ever")
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert called == ["for ever", "long ago"]


def test_a_clock_that_is_replaced_while_timers_wait(loop, vocabulary):
    """Each keeps its time, and is due when the new clock reads it."""
    now, called = 5000.0, []
    real = loop.time()
    loop.call_at(real + 3600, called.append, "old")
    loop.call_at(real + 7200, called.append, "later")
    loop.time = lambda: now
    loop.call_at(4999, called.append, "past")
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert called == ["past"]
    now = real + 3600
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert called == ["past", "old"]
    del loop.time
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert called == ["past", "old"]


def test_a_coarse_clock_that_tells_its_resolution(loop):
    """What is nearer than the clock can tell is due: virtual clocks of tools count on it."""
    called = []
    loop.time = lambda: 1.0
    loop._clock_resolution = 0.001
    loop.call_at(1.0009, called.append, "now")
    loop.call_at(1.0011, called.append, "later")
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert called == ["now"]


def test_sockets_of_the_users_own_wait_by_create_future(spied):
    loop, calls = spied

    async def main():
        with socket_pair() as (near, far):
            receiving = asyncio.ensure_future(loop.sock_recv(near, 10))
            await asyncio.sleep(0)
            calls.clear()
            far.send(b"x")
            assert await receiving == b"x"
            waiting = asyncio.ensure_future(loop.sock_recv(near, 10))
            await asyncio.sleep(0)
            assert "create_future" in calls
            waiting.cancel()

    run(loop, main())
