"""What nobody refers to any more is collected, and says its last words; what is dead is handed to nobody."""

import asyncio
import contextlib
import contextvars
import gc
import socket
import sys
import threading
import warnings
import weakref

import pytest
from conftest import needs_ironloop
from support import NotingTransport


class Thing:
    """Takes attributes, and can be referred to weakly."""


def collected(*dead):
    for _ in range(3):
        gc.collect()
    return all(reference() is None for reference in dead)


# Coroutines that were never begun


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


# Waits that were given up with their loop


async def waits_for_queue_get(vocabulary, thing):
    await vocabulary.Queue().get()


async def waits_for_queue_put(vocabulary, thing):
    queue = vocabulary.Queue(1)
    queue.put_nowait(None)
    await queue.put(thing)


async def waits_for_lock(vocabulary, thing):
    lock = vocabulary.Lock()
    await lock.acquire()
    await lock.acquire()


async def waits_for_block(vocabulary, thing):
    semaphore = vocabulary.Semaphore(0)
    async with semaphore:
        pass


async def waits_for_event(vocabulary, thing):
    await vocabulary.Event().wait()


async def waits_for_condition(vocabulary, thing):
    condition = vocabulary.Condition()
    async with condition:
        await condition.wait()


async def waits_for_conditions_lock(vocabulary, thing):
    lock = vocabulary.Lock()
    await lock.acquire()
    async with vocabulary.Condition(lock):
        pass


async def waits_for_barrier(vocabulary, thing):
    await vocabulary.Barrier(2).wait()


async def waits_for_data(vocabulary, thing):
    await vocabulary.StreamReader().readline()


async def waits_for_time(vocabulary, thing):
    await vocabulary.sleep(3600, thing)


async def waits_in_time(vocabulary, thing):
    await vocabulary.wait_for(asyncio.get_running_loop().create_future(), 3600)


async def waits_in_timeout(vocabulary, thing):
    async with vocabulary.timeout(3600):
        await asyncio.get_running_loop().create_future()


async def waits_for_some(vocabulary, thing):
    await vocabulary.wait([asyncio.get_running_loop().create_future()], timeout=3600)


async def waits_for_all(vocabulary, thing):
    await vocabulary.gather(asyncio.get_running_loop().create_future())


async def waits_for_next(vocabulary, thing):
    for first in vocabulary.as_completed([asyncio.get_running_loop().create_future()]):
        await first


async def waits_behind_shield(vocabulary, thing):
    await vocabulary.shield(asyncio.get_running_loop().create_future())


async def waits_in_group(vocabulary, thing):
    async with vocabulary.TaskGroup() as group:
        group.create_task(waits_for_event(vocabulary, thing))


async def waits_for_bytes(vocabulary, thing):
    near, thing.far = socket.socketpair()
    with near, thing.far:
        near.setblocking(False)
        await asyncio.get_running_loop().sock_recv_into(near, memoryview(thing.buffer))


async def waits_for_watch(vocabulary, thing):
    near, thing.far = socket.socketpair()
    with near, thing.far:
        loop = asyncio.get_running_loop()
        thing.handle = loop._add_reader(near.fileno(), thing.__str__)
        await loop.create_future()


GIVEN_UP = [
    waits_for_queue_get,
    waits_for_queue_put,
    waits_for_lock,
    waits_for_block,
    waits_for_event,
    waits_for_condition,
    waits_for_conditions_lock,
    waits_for_barrier,
    waits_for_data,
    waits_for_time,
    waits_in_time,
    waits_in_timeout,
    waits_for_some,
    waits_for_all,
    waits_for_next,
    waits_behind_shield,
    waits_in_group,
    waits_for_bytes,
    waits_for_watch,
]


class Bytes(bytearray):
    """Takes attributes."""


def give_up(loop, vocabulary, wait, closes):
    """Has a task wait, stops the loop and drops all. What can tell whether they are gone."""
    thing = Thing()
    thing.buffer = Bytes(10)
    thing.buffer.thing = thing

    async def main():
        await wait(vocabulary, thing)

    thing.task = loop.create_task(main())
    # Twice, for those that wait for a task of their own.
    loop.call_soon(loop.call_soon, loop.call_soon, loop.stop)
    loop.run_forever()
    assert not thing.task.done()
    if closes:
        loop.close()
    return weakref.ref(thing), weakref.ref(thing.task), weakref.ref(loop)


@pytest.fixture
def reports():
    """What goes while its loop is closed, or goes too, may complain about that: nobody else hears of it."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda found: None
    asyncio.log.logger.disabled = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        gc.collect()
    asyncio.log.logger.disabled = False
    sys.unraisablehook = hook


@pytest.mark.usefixtures("reports")
@pytest.mark.parametrize("closes", [True, False], ids=["closed", "dropped"])
@pytest.mark.parametrize("wait", GIVEN_UP, ids=lambda wait: wait.__name__)
def test_a_wait_goes_with_its_loop(loop_factory, vocabulary, wait, closes):
    # Called in an assertion, pytest would keep the arguments.
    dead = give_up(loop_factory(), vocabulary, wait, closes)
    assert collected(*dead)


# These have ironloop's names only on its own loop, or hold to the loop that runs.
@needs_ironloop
@pytest.mark.usefixtures("reports")
@pytest.mark.parametrize("wait", GIVEN_UP, ids=lambda wait: wait.__name__)
def test_a_native_wait_goes_with_asyncios_loop(wait):
    import ironloop

    dead = give_up(asyncio.SelectorEventLoop(), ironloop, wait, closes=True)
    assert collected(*dead)


# Handles


def cycle_with(loop, schedule):
    """An object whose method the loop is to call, and that keeps both the handle and the loop."""
    thing = Thing()
    thing.loop = loop
    thing.handle = schedule(loop, thing.__str__)
    return weakref.ref(thing), weakref.ref(loop)


def stopped(loop):
    loop.call_soon(loop.stop)
    loop.run_forever()
    return loop


SCHEDULES = [
    lambda loop, call: loop.call_later(3600, call),
    lambda loop, call: loop.call_soon(call),
    lambda loop, call: loop.call_soon_threadsafe(call),
]


@pytest.mark.usefixtures("reports")
@pytest.mark.parametrize("prepare", [lambda loop: loop, stopped], ids=["new", "stopped"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=["later", "soon", "threadsafe"])
def test_a_handle_goes_with_its_loop(loop_factory, schedule, prepare):
    dead = cycle_with(prepare(loop_factory()), schedule)
    assert collected(*dead)


@pytest.mark.usefixtures("reports")
@pytest.mark.parametrize("schedule", SCHEDULES, ids=["later", "soon", "threadsafe"])
def test_a_handle_of_the_last_turn_goes_with_its_loop(loop_factory, schedule):
    def last_turn(loop, dead):
        dead += cycle_with(loop, schedule)
        loop.stop()

    loop, dead = loop_factory(), []
    loop.call_soon(last_turn, loop, dead)
    loop.run_forever()
    del loop
    assert collected(*dead)


@pytest.mark.usefixtures("reports")
def test_what_another_thread_has_left_in_the_last_turn_goes_with_the_loop(loop_factory):
    def last_turn(loop, dead):
        other = threading.Thread(target=lambda: dead.extend(cycle_with(loop, SCHEDULES[-1])))
        other.start()
        other.join()
        loop.stop()

    loop, dead = loop_factory(), []
    loop.call_soon(last_turn, loop, dead)
    loop.run_forever()
    del loop
    assert collected(*dead)


# What has a loop, kept where the loop leads


def kept_future(loop, vocabulary):
    return loop.create_future()


def kept_done_future(loop, vocabulary):
    future = loop.create_future()
    future.set_result(1)
    return future


def kept_future_of_the_class(loop, vocabulary):
    return vocabulary.Future()


def kept_iterator(loop, vocabulary):
    return loop.create_future().__await__()


def kept_handle(loop, vocabulary):
    return loop.call_soon(str)


def kept_handle_of_another_thread(loop, vocabulary):
    return loop.call_soon_threadsafe(str)


def kept_timer(loop, vocabulary):
    return loop.call_later(0, str)


def kept_cancelled_handle(loop, vocabulary):
    handle = loop.call_soon(str)
    handle.cancel()
    return handle


def kept_cancelled_timer(loop, vocabulary):
    timer = loop.call_later(3600, str)
    timer.cancel()
    return timer


def kept_failed_handle(loop, vocabulary):
    return loop.call_soon(int, "no number")


def kept_task(loop, vocabulary):
    return loop.create_task(vocabulary.sleep(0))


def kept_cancelled_task(loop, vocabulary):
    task = loop.create_task(vocabulary.sleep(3600))
    loop.call_soon(task.cancel)
    return task


def kept_task_cancelled_at_its_end(loop, vocabulary):
    async def ends():
        task.cancel()

    task = loop.create_task(ends())
    return task


def kept_sleep(loop, vocabulary):
    coroutine = vocabulary.sleep(0.000_1)
    loop.create_task(coroutine)
    return coroutine


def kept_gathering(loop, vocabulary):
    return vocabulary.gather(vocabulary.sleep(0))


KEPT = [
    kept_future,
    kept_done_future,
    kept_future_of_the_class,
    kept_iterator,
    kept_handle,
    kept_handle_of_another_thread,
    kept_timer,
    kept_cancelled_handle,
    kept_cancelled_timer,
    kept_failed_handle,
    kept_task,
    kept_cancelled_task,
    kept_task_cancelled_at_its_end,
    kept_sleep,
    kept_gathering,
]


def keep(loop, vocabulary, make):
    """The loop leads to its exception handler, and so to what is made."""

    def handler(loop, context):
        reports.append(context)

    async def main():
        thing.kept = make(asyncio.get_running_loop(), vocabulary)
        await asyncio.sleep(0.01)

    thing, reports = Thing(), []
    handler.thing = thing
    loop.set_exception_handler(handler)
    loop.run_until_complete(main())
    loop.close()
    return weakref.ref(loop), weakref.ref(thing)


@pytest.mark.usefixtures("without_debug")
@pytest.mark.parametrize("make", KEPT, ids=lambda make: make.__name__)
def test_what_has_a_loop_goes_with_it(loop_factory, vocabulary, make):
    """It is kept where the loop leads."""
    dead = keep(loop_factory(), vocabulary, make)
    assert collected(*dead)


# The dead


def pending_task(kind, loop):
    async def waits():
        await asyncio.sleep(3600)

    coroutine = waits()
    task = kind(coroutine, loop=loop)
    task._log_destroy_pending = False
    return coroutine, task


def probe_of(loop, seen):
    """An object that asks for all tasks in its last words."""

    class Probe:
        def __del__(self):
            seen.append(asyncio.all_tasks(loop))

    return Probe()


@pytest.mark.parametrize("slots", [(), ("probe",)], ids=["dictionary", "slot"])
def test_a_task_that_goes_is_handed_to_nobody(loop_factory, vocabulary, slots):
    """A subclass's attributes go when nobody refers to the task any more: they must not bring it back."""
    kind = type("MyTask", (vocabulary.Task,), {"__slots__": slots} if slots else {})
    seen = []
    for _ in range(20):
        loop = loop_factory()
        coroutine, task = pending_task(kind, loop)
        task.probe = probe_of(loop, seen)
        loop.close()
        del task
        coroutine.close()
    gc.collect()
    assert seen == [set()] * 20


def test_a_task_that_last_words_find_in_garbage_is_whole(loop_factory, vocabulary):
    """Those that come before its own may bring it back. (Up to Python 3.13 asyncio's are not found.)"""
    for probe_first in (True, False):
        seen, loop, thing = [], loop_factory(), Thing()
        if probe_first:
            thing.probe = probe_of(loop, seen)
        coroutine, thing.task = pending_task(vocabulary.Task, loop)
        thing.task.add_done_callback(thing.__eq__)
        if not probe_first:
            thing.probe = probe_of(loop, seen)
        loop.close()
        del thing
        coroutine.close()
        gc.collect()
        assert len(seen) == 1
        for task in seen[0]:
            assert task.get_coro() is coroutine
            assert task.get_loop() is loop
            assert not task.done()


def test_a_class_that_stands_where_a_loops_class_stood_is_no_loop(loop_factory, vocabulary):
    """Once a subclass of the loop is gone another class may come to stand at its address."""

    def class_that_goes():
        class Subclass(type(loop_factory())):
            pass

        with contextlib.closing(Subclass()) as loop:
            future = vocabulary.Future(loop=loop)
            future.add_done_callback(print)
            future.cancel()
        return id(Subclass), weakref.ref(Subclass)

    def take_place(address):
        others = []
        for _ in range(1000):

            class Other:
                called = False

                def get_debug(self):
                    return False

                def call_soon(self, *arguments, context):
                    self.called = True

            if id(Other) == address:
                return Other()
            others.append(Other)
        return None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        address, gone = class_that_goes()
        assert collected(gone)
    other = take_place(address)
    if other is None:
        pytest.skip("no class came to stand there")
    future = vocabulary.Future(loop=other)
    future.add_done_callback(print)
    future.set_result(None)
    assert other.called


def sleeping(loop, vocabulary):
    """A coroutine that sleeps on a loop which has stopped."""

    async def sleeps():
        await vocabulary.sleep(3600)

    coroutine = sleeps()
    task = loop.create_task(coroutine)
    task._log_destroy_pending = False
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    return coroutine


def test_a_sleep_that_outlives_its_loop_touches_no_other(loop_factory, vocabulary):
    """Its timer's place is that of the first timer of every loop, another may stand where its own stood."""
    loop = loop_factory()
    coroutine = sleeping(loop, vocabulary)
    loop.close()
    del loop
    gc.collect()

    async def main():
        short = asyncio.ensure_future(vocabulary.sleep(0.05))
        await asyncio.sleep(0)
        coroutine.close()
        done, _ = await asyncio.wait([short], timeout=30)
        assert done

    for _ in range(10):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())


def test_a_task_in_the_place_of_the_last_one_is_the_current_one(run, vocabulary):
    """The last may be taken out of asyncio's record of who runs, and go, and the next have its memory."""
    variable = contextvars.ContextVar("variable")

    class ForgetsAndSpawns:
        def __del__(self):
            if hasattr(asyncio.tasks, "_swap_current_task"):
                # Python 3.12 minds when there is none.
                with contextlib.suppress(KeyError):
                    asyncio.tasks._swap_current_task(loop, None)
            else:
                asyncio.tasks._current_tasks.pop(loop, None)
            later.append(loop.create_task(says_who_is_current()))

    async def says_who_is_current():
        answer.set_result(asyncio.current_task())

    async def ends():
        context = contextvars.Context()
        context.run(variable.set, ForgetsAndSpawns())
        # Nobody's code runs between the last step of this task, the callback's turn, and the next step.
        loop.call_soon(loop.create_future().set_result, None, context=context)

    loop = answer = None
    later = []

    async def main():
        nonlocal loop, answer
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        # Nobody keeps the task.
        loop.call_soon(loop.create_task, ends())
        assert await answer is later[0]

    run(main)
