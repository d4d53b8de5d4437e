"""What is dead is handed to nobody, and what comes in its place is not taken for it."""

import asyncio
import contextlib
import contextvars
import gc
import warnings
import weakref

import pytest
from garbage import Thing, collected


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
