"""What is wrong with a call is said as the running asyncio says it, and chained to what is being handled."""

import asyncio
import sys
import threading

import ironloop
import pytest
from conftest import needs_ironloop


def objects(of, loop):
    """What the methods below belong to."""
    return {
        "loop": loop,
        "future": of.Future(loop=loop),
        "handle": loop.call_soon(int),
        "timer": loop.call_later(3600, int),
    }


WRONG = {
    "loop": {
        "call_soon": [((), {}), ((int,), {"foo": 1}), ((int,), {"callback": int}), ((), {"context": None})],
        "call_soon_threadsafe": [((), {}), ((int,), {"foo": 1})],
        "call_later": [
            ((), {}),
            ((1,), {}),
            ((1, int), {"foo": 1}),
            ((), {"callback": int}),
            ((None, int), {}),
            (("x", int), {}),
            ((1, int), {"delay": 1}),
        ],
        "call_at": [
            ((), {}),
            ((1,), {}),
            ((), {"callback": int}),
            ((None, int), {}),
            ((1, int), {"when": 1}),
        ],
        "time": [((1,), {}), ((), {"x": 1})],
        "create_future": [((1,), {}), ((), {"x": 1})],
        "create_task": [((), {}), ((3,), {})],
        "add_reader": [((), {}), ((0,), {}), ((0, int), {"x": 1})],
        "remove_writer": [((), {}), ((0, 1), {})],
    },
    "future": {
        "set_result": [((), {}), ((1, 2), {}), ((), {"result": 1}), ((1,), {"x": 2})],
        "set_exception": [((), {}), ((1, 2), {}), ((), {"exception": KeyError()}), ((3,), {}), ((int,), {})],
        "add_done_callback": [((), {}), ((), {"fn": int}), ((int, int), {}), ((int,), {"x": 1})],
        "remove_done_callback": [((), {}), ((), {"fn": int}), ((int, int), {})],
        "cancel": [((1, 2), {}), ((), {"message": 1})],
    },
    "handle": {"cancel": [((1,), {}), ((), {"x": 1})], "cancelled": [((1,), {})]},
    "timer": {"cancel": [((1,), {}), ((), {"x": 1})], "when": [((1,), {})]},
}


@needs_ironloop
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in WRONG for name in WRONG[kind]])
def test_wrong_arguments_are_refused_in_asyncios_words(kind, name):
    said = []
    for of, loop in ((asyncio, asyncio.SelectorEventLoop()), (ironloop, ironloop.new_event_loop())):
        method = getattr(objects(of, loop)[kind], name)
        words = []
        for arguments, keywords in WRONG[kind][name]:
            with pytest.raises(TypeError) as refused:
                method(*arguments, **keywords)
            words.append(str(refused.value))
        said.append(words)
        loop.close()
    assert said[0] == said[1]


def test_whatever_can_be_added_to_the_time_is_a_delay(loop):
    """As in asyncio, the sum is what the handle tells."""
    from fractions import Fraction

    loop.time = lambda: 1.5
    called = []
    assert loop.call_later(Fraction(-1, 2), called.append, 1).when() == 1.0
    assert loop.call_later(True, int).when() == 2.5
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert called == [1]


# The context of an error


def ready(loop, exception=None):
    future = loop.create_future()
    future.set_exception(exception) if exception else future.set_result(None)
    return future


async def in_time(of, awaitable, seconds=0.001):
    async with of.timeout(seconds):
        await awaitable


async def cancelled(awaitable):
    asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
    await awaitable


def full(of):
    queue = of.Queue(1)
    queue.put_nowait(1)
    return queue


def reader(streams, loop, data, eof=False):
    made = streams.StreamReader(limit=10, loop=loop)
    made.feed_data(data)
    if eof:
        made.feed_eof()
    return made


async def call(function):
    return function()


RAISING = {
    "get_nowait": lambda of, streams, loop: call(of.Queue().get_nowait),
    "put_nowait": lambda of, streams, loop: call(lambda: full(of).put_nowait(2)),
    "task_done": lambda of, streams, loop: call(of.Queue().task_done),
    "result of a pending future": lambda of, streams, loop: call(loop.create_future().result),
    "result of a failed future": lambda of, streams, loop: call(ready(loop, KeyError("old")).result),
    "a failed future": lambda of, streams, loop: ready(loop, KeyError("old")),
    "set_result twice": lambda of, streams, loop: call(lambda: ready(loop).set_result(1)),
    "release": lambda of, streams, loop: call(of.Lock().release),
    "release of a bounded semaphore": lambda of, streams, loop: call(of.BoundedSemaphore(1).release),
    "notify": lambda of, streams, loop: call(of.Condition().notify),
    "reschedule": lambda of, streams, loop: call(lambda: of.timeout(1).reschedule(1)),
    "wait for nothing": lambda of, streams, loop: of.wait([]),
    "gather of a number": lambda of, streams, loop: call(lambda: of.gather(3)),
    "create_task of a number": lambda of, streams, loop: call(lambda: loop.create_task(3)),
    "wait_for": lambda of, streams, loop: of.wait_for(loop.create_future(), 0.001),
    "timeout": lambda of, streams, loop: in_time(of, loop.create_future()),
    "a sleep that is cancelled": lambda of, streams, loop: cancelled(of.sleep(3600)),
    "a get that is cancelled": lambda of, streams, loop: cancelled(of.Queue().get()),
    "a wait_for that is cancelled": lambda of, streams, loop: cancelled(
        of.wait_for(loop.create_future(), 60)
    ),
    "a gather that is cancelled": lambda of, streams, loop: cancelled(of.gather(loop.create_future())),
    "a line that is too long": lambda of, streams, loop: reader(streams, loop, b"x" * 99).readline(),
    "a separator that is too far": lambda of, streams, loop: reader(streams, loop, b"x" * 99).readuntil(b"y"),
    "an end that comes too soon": lambda of, streams, loop: reader(streams, loop, b"x", eof=True).readexactly(
        5
    ),
    "an end without a separator": lambda of, streams, loop: reader(streams, loop, b"x", eof=True).readuntil(
        b"y"
    ),
}


def chain(error):
    """The classes of an error and of those that were being handled, one in the other."""
    classes = []
    while error is not None and len(classes) < 9:
        classes.append(type(error))
        error = error.__context__
    return classes


if sys.version_info < (3, 12):
    # It was cancelled in a task of its own.
    del RAISING["a wait_for that is cancelled"]


@pytest.mark.parametrize("name", RAISING)
def test_an_error_is_chained_to_the_one_that_is_being_handled(run, vocabulary, streams, name):
    async def main():
        loop = asyncio.get_running_loop()

        async def fails(handling):
            if not handling:
                return await RAISING[name](vocabulary, streams, loop)
            try:
                raise ZeroDivisionError
            except ZeroDivisionError:
                await RAISING[name](vocabulary, streams, loop)

        errors = []
        for handling in (False, True):
            task = loop.create_task(fails(handling))
            await asyncio.wait([task])
            try:
                task.result()
            except (Exception, asyncio.CancelledError) as error:
                errors.append(error)
        alone, chained = errors
        assert ZeroDivisionError not in chain(alone)
        assert chain(chained)[0] is chain(alone)[0]
        assert chain(chained)[-1] is ZeroDivisionError

    run(main)


@pytest.mark.parametrize("name", ["sleep", "get"])
def test_an_error_that_is_thrown_into_a_coroutine_stays_as_it_is(run, vocabulary, name):
    async def thrown():
        coroutine = vocabulary.sleep(0) if name == "sleep" else vocabulary.Queue().get()
        coroutine.send(None)
        coroutine.throw(KeyError("thrown"))

    async def main():
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            with pytest.raises(KeyError) as raised:
                await thrown()
        assert raised.value.__context__ is None

    run(main)


# Debug mode, and threads


def test_debug_mode_refuses_what_another_thread_may_not_do(loop, vocabulary):
    loop.set_debug(True)
    loop.set_exception_handler(lambda loop, about: None)
    allowed = []

    async def child():
        pass

    async def main():
        done, pending = ready(loop), loop.create_future()
        pending.add_done_callback(int)
        awaited = loop.create_future()
        waiter = asyncio.ensure_future(in_time(vocabulary, awaited, 3600))
        await asyncio.sleep(0)

        def elsewhere():
            for name, make in {
                "create_task": lambda coroutine: loop.create_task(coroutine),
                "Task": lambda coroutine: vocabulary.Task(coroutine, loop=loop),
                "ensure_future": lambda coroutine: vocabulary.ensure_future(coroutine, loop=loop),
                "call_soon": lambda _: loop.call_soon(int),
                "call_later": lambda _: loop.call_later(1, int),
                "call_at": lambda _: loop.call_at(1, int),
                "a callback of a future that is done": lambda _: done.add_done_callback(int),
                "set_result with a callback": lambda _: pending.set_result(1),
                "set_result with a task that waits": lambda _: awaited.set_result(1),
            }.items():
                coroutine = child()
                try:
                    make(coroutine)
                    allowed.append(name)
                except RuntimeError as error:
                    assert "Non-thread-safe operation" in str(error)
                coroutine.close()

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.sleep(0)
        thread.join()
        waiter.cancel()

    loop.run_until_complete(main())
    assert allowed == []
