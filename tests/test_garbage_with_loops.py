"""What waits on a loop, is scheduled by it, or has it, goes with it."""

import asyncio
import gc
import socket
import sys
import threading
import warnings
import weakref

import pytest
from conftest import needs_ironloop
from garbage import Thing, collected

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
