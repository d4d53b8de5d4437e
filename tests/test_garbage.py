"""Coroutines that nobody refers to any more are collected from cycles, and say their last words."""

import asyncio
import gc
import warnings
import weakref

import pytest
from garbage import Thing, collected
from support import NotingTransport


def unbegun_queue_put(own, vocabulary, thing):
    thing.later = vocabulary.Queue().put(thing)


def unbegun_queue_get(own, vocabulary, thing):
    queue = vocabulary.Queue()
    queue.put_nowait(thing)
    thing.later = queue.get()


def of_a_primitive(kind, method):
    def make(own, vocabulary, thing):
        primitive = own(getattr(vocabulary, kind))()
        primitive.thing = thing
        thing.later = getattr(primitive, method)(*(3 * [None] if method == "__aexit__" else []))

    return pytest.param(make, id=f"{kind}.{method}")


def of_a_reader(method, *arguments):
    def make(own, vocabulary, thing):
        reader = own(vocabulary.StreamReader)()
        reader.thing = thing
        thing.later = getattr(reader, method)(*arguments)

    return pytest.param(make, id=f"StreamReader.{method}")


def unbegun_drain(own, vocabulary, thing):
    transport = NotingTransport()
    writer = vocabulary.StreamWriter(transport, Thing(), None, asyncio.get_running_loop())
    transport.thing = thing
    transport.close()
    thing.later = writer.drain()


def unbegun_timeout_enter(own, vocabulary, thing):
    timeout = vocabulary.timeout(1)
    thing.later = timeout.__aenter__()
    timeout.thing = thing


def unbegun_timeout_exit(own, vocabulary, thing):
    error = ValueError()
    error.thing = thing
    thing.later = vocabulary.timeout(1).__aexit__(ValueError, error, None)


def unbegun_sleep(own, vocabulary, thing):
    thing.later = vocabulary.sleep(0, thing)


def unbegun_longer_sleep(own, vocabulary, thing):
    thing.later = vocabulary.sleep(1, thing)


def unbegun_wait_for(own, vocabulary, thing):
    future = asyncio.get_running_loop().create_future()
    future.thing = thing
    thing.later = vocabulary.wait_for(future, 1)


def unbegun_wait(own, vocabulary, thing):
    thing.later = vocabulary.wait([thing])


UNBEGUN = [
    unbegun_queue_put,
    unbegun_queue_get,
    of_a_primitive("Lock", "acquire"),
    of_a_primitive("Lock", "__aenter__"),
    of_a_primitive("Lock", "__aexit__"),
    of_a_primitive("Event", "wait"),
    of_a_primitive("Semaphore", "acquire"),
    of_a_primitive("Semaphore", "__aenter__"),
    of_a_primitive("Semaphore", "__aexit__"),
    of_a_primitive("BoundedSemaphore", "acquire"),
    of_a_primitive("Condition", "wait"),
    of_a_primitive("Condition", "__aenter__"),
    of_a_primitive("Condition", "__aexit__"),
    of_a_reader("read"),
    of_a_reader("readline"),
    of_a_reader("readexactly", 3),
    of_a_reader("readuntil"),
    of_a_reader("__anext__"),
    unbegun_drain,
    unbegun_timeout_enter,
    unbegun_timeout_exit,
    unbegun_sleep,
    unbegun_longer_sleep,
    unbegun_wait_for,
    unbegun_wait,
]


@pytest.mark.parametrize("make", UNBEGUN)
@pytest.mark.parametrize(
    "own", [lambda base: base, lambda base: type(base.__name__, (base,), {})], ids=["", "below"]
)
def test_a_coroutine_that_was_never_begun_is_collected_from_a_cycle_and_warns(run, vocabulary, make, own):
    """A forgotten await of something that leads back to it: `message.sent = queue.put(message)`."""

    async def main():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            thing = Thing()
            gone = weakref.ref(thing)
            make(own, vocabulary, thing)
            del thing
            gc.collect()
            assert ["was never awaited" in str(warning.message) for warning in caught] == [True]
        # The warning was about it, and kept it.
        del caught
        assert collected(gone)

    run(main)


def test_an_await_of_a_future_that_was_never_begun_is_collected_from_a_cycle(loop, vocabulary):
    class Future(vocabulary.Future):
        pass

    future = Future(loop=loop)
    future.iterator = future.__await__()
    gone = weakref.ref(future)
    del future
    assert collected(gone)


def test_what_an_await_has_returned_is_collected_from_a_cycle(loop):
    """Who resumes by hand catches a StopIteration, which may be kept where its traceback leads."""

    def resume(thing):
        try:
            next(thing.future.__await__())
        except StopIteration as stop:
            assert stop.value == 17
            thing.stop = stop

    thing = Thing()
    thing.future = loop.create_future()
    thing.future.set_result(17)
    gone = weakref.ref(thing)
    resume(thing)
    del thing
    assert collected(gone)
