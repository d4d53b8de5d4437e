"""The slots that a handle has from asyncio's class, by that class's own descriptors, past ours."""

import asyncio
import contextvars
import gc
import sys
import weakref

import pytest
from conftest import needs_ironloop
from programs import run_program

pytestmark = needs_ironloop


@pytest.fixture
def loop_name():
    return "ironloop"


SLOTS = ["_args", "_callback", "_cancelled", "_context", "_loop", "_repr", "_source_traceback"]
TIMER_SLOTS = [*SLOTS, "_scheduled", "_when"]


def descriptor(name):
    return vars(asyncio.TimerHandle).get(name) or vars(asyncio.Handle)[name]


def handle_of(loop, kind, count, ran):
    def callback(*arguments):
        ran.append(arguments)

    arguments = [object() for _ in range(count)]
    if kind == "timer":
        return loop.call_at(0, callback, *arguments)
    return {"soon": loop.call_soon, "threadsafe": loop.call_soon_threadsafe}[kind](callback, *arguments)


async def turn():
    await asyncio.sleep(0.001)
    await asyncio.sleep(0)


@pytest.mark.parametrize("count", range(5))
@pytest.mark.parametrize("end", ["run", "cancel", "drop"])
@pytest.mark.parametrize("kind", ["soon", "timer", "threadsafe"])
def test_what_is_written_there_is_kept_and_let_go_of(loop, kind, end, count):
    """Nothing is lost, nothing dropped twice, and what is no callback fails as such."""
    failed = []
    loop.set_exception_handler(lambda _, context: failed.append(context["exception"]))

    class Thing(list):
        """Can be looked at as arguments, though it is none."""

    async def main():
        kept = []
        for name in TIMER_SLOTS if kind == "timer" else SLOTS:
            handle = handle_of(loop, kind, count, [])
            thing = Thing()
            kept.append(weakref.ref(thing))
            descriptor(name).__set__(handle, thing)
            assert descriptor(name).__get__(handle) is thing
            del thing
            if end == "cancel":
                handle.cancel()
            if end == "drop":
                del handle
            else:
                assert handle._loop is loop and isinstance(handle._context, contextvars.Context)
            await turn()
        return kept

    kept = loop.run_until_complete(main())
    gc.collect()
    assert [thing() for thing in kept] == [None] * len(kept)
    assert all(isinstance(error, TypeError) for error in failed)


@pytest.mark.parametrize("count", range(5))
@pytest.mark.parametrize("kind", ["soon", "timer", "threadsafe"])
def test_what_is_emptied_is_not_run(loop, kind, count):
    async def main():
        for name in TIMER_SLOTS if kind == "timer" else SLOTS:
            ran = []
            handle = handle_of(loop, kind, count, ran)
            try:
                descriptor(name).__delete__(handle)
            except AttributeError:
                continue
            repr(handle)
            await turn()
            assert len(ran) <= 1
            if name == "_callback":
                assert ran == []
                assert handle._callback is None

    loop.run_until_complete(main())


def test_weak_references_to_handles_end(loop):
    async def main():
        references = [weakref.ref(handle_of(loop, kind, 1, [])) for kind in ("soon", "timer", "threadsafe")]
        assert all(reference() is not None for reference in references)
        await turn()
        assert [reference() for reference in references] == [None] * 3

    loop.run_until_complete(main())


def test_handles_lie_behind_a_class_that_has_more_slots():
    """A tool has put another class in the place of asyncio's before ironloop comes."""
    source = """
import asyncio, gc
class Handle(asyncio.Handle):
    __slots__ = ("more",)
class TimerHandle(asyncio.TimerHandle):
    __slots__ = ("more", "__dict__")
asyncio.events.Handle, asyncio.events.TimerHandle = Handle, TimerHandle
import ironloop
async def main():
    loop = asyncio.get_running_loop()
    ran = []
    handles = [
        call(*when, ran.append, number)
        for number, (call, when) in enumerate([(loop.call_soon, ()), (loop.call_later, (0.001,))])
    ]
    handles.append(loop.call_soon(print, 1, 2, 3))
    assert all(isinstance(handle, (Handle, TimerHandle)) for handle in handles)
    assert handles[2]._args == (1, 2, 3)
    handles[2].cancel()
    await asyncio.sleep(0.01)
    gc.collect()
    assert ran == [0, 1]
ironloop.run(main())
print("ran")
"""
    assert run_program([sys.executable, "-c", source]).stdout == "ran\n"


def test_handles_are_no_larger_than_what_they_hold(loop):
    """asyncio's slots are put to use: three words more than its own instances have, five for a timer."""
    handle, timer = loop.call_soon(print), loop.call_later(0, print)
    word = asyncio.Handle.__basicsize__ // 9
    assert type(handle).__basicsize__ - asyncio.Handle.__basicsize__ <= 3 * word
    assert type(timer).__basicsize__ - asyncio.TimerHandle.__basicsize__ <= 5 * word
