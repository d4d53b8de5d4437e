"""Debug mode: its switches, slow callbacks, the wrong thread, exceptions nobody retrieved."""

import asyncio
import gc
import logging
import os
import re
import subprocess
import sys
import threading
import time
import weakref

import pytest
from support import PATIENCE


class Argument:
    """Can be referred to weakly."""


@pytest.fixture
def debug_loop(loop):
    loop.set_debug(True)
    return loop


@pytest.mark.usefixtures("without_debug")
def test_set_debug(loop):
    assert loop.get_debug() is False
    loop.set_debug(True)
    assert loop.get_debug() is True
    loop.set_debug(False)
    assert loop.get_debug() is False


@pytest.mark.parametrize(
    ("variables", "options", "expected"),
    [
        ({}, [], "False"),
        ({"PYTHONASYNCIODEBUG": "1"}, [], "True"),
        ({"PYTHONASYNCIODEBUG": "1"}, ["-E"], "False"),
        ({}, ["-X", "dev"], "True"),
    ],
)
def test_switches_of_the_process(python, variables, options, expected):
    code = "import asyncio; loop = asyncio.new_event_loop(); print(loop.get_debug()); loop.close()"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONASYNCIODEBUG"}
    done = subprocess.run(
        [python[0], *options, *python[1:], "-c", code],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stdout.strip() == expected, done.stderr


def test_a_slow_callback_is_logged(debug_loop, caplog):
    def slow_one():
        time.sleep(0.02)

    debug_loop.slow_callback_duration = 0.01
    debug_loop.call_soon(slow_one)
    debug_loop.call_soon(debug_loop.stop)
    with caplog.at_level(logging.WARNING, "asyncio"):
        debug_loop.run_forever()
    messages = [message for message in caplog.messages if "slow_one" in message]
    assert len(messages) == 1
    assert messages[0].startswith("Executing <Handle")
    assert float(re.search(r" took (\d+\.\d{3}) seconds$", messages[0])[1]) >= 0.02


def test_a_slow_step_of_a_task_is_logged(debug_loop, caplog):
    async def slow_task():
        await asyncio.sleep(0)
        time.sleep(0.02)  # noqa: ASYNC251

    debug_loop.slow_callback_duration = 0.01
    with caplog.at_level(logging.WARNING, "asyncio"):
        debug_loop.run_until_complete(slow_task())
    assert any("Executing <Task" in message and "slow_task" in message for message in caplog.messages)


@pytest.mark.usefixtures("without_debug")
def test_slow_callbacks_pass_in_silence_without_debug(loop, caplog):
    loop.slow_callback_duration = 0.000_1
    loop.call_soon(time.sleep, 0.01)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert caplog.messages == []


def test_a_cancelled_handle_still_says_what_it_was_to_call(debug_loop):
    argument = Argument()
    gone = weakref.ref(argument)
    handles = debug_loop.call_soon(print, argument), debug_loop.call_later(3600, print, argument)
    del argument
    for handle in handles:
        handle.cancel()
        assert "cancelled" in repr(handle) and "print(<" in repr(handle)
    assert gone() is None


def test_slow_callback_duration_is_a_tenth_of_a_second(loop):
    assert loop.slow_callback_duration == 0.1


@pytest.mark.parametrize("method", ["call_soon", "call_later", "call_at"])
def test_a_call_from_the_wrong_thread_is_an_error(debug_loop, method):
    errors = []

    def other_thread():
        arguments = [print] if method == "call_soon" else [1, print]
        try:
            getattr(debug_loop, method)(*arguments)
        except RuntimeError as error:
            errors.append(str(error))
        debug_loop.call_soon_threadsafe(debug_loop.stop)

    thread = threading.Thread(target=other_thread)
    debug_loop.call_soon(thread.start)
    debug_loop.run_forever()
    thread.join()
    assert errors == ["Non-thread-safe operation invoked on an event loop other than the current one"]


def test_callbacks_are_checked(debug_loop):
    async def coroutine():
        pass

    made = coroutine()
    for schedule in (
        debug_loop.call_soon,
        debug_loop.call_soon_threadsafe,
        lambda c: debug_loop.call_later(0, c),
    ):
        with pytest.raises(TypeError, match="coroutines cannot be used with"):
            schedule(coroutine)
        with pytest.raises(TypeError, match="coroutines cannot be used with"):
            schedule(made)
        with pytest.raises(TypeError, match="a callable object was expected by"):
            schedule(17)
    made.close()


def test_a_handle_remembers_where_it_was_made(debug_loop):
    for handle in (debug_loop.call_soon(print), debug_loop.call_later(3600, print)):
        assert "created at" in repr(handle)
        assert __file__ in repr(handle)
        handle.cancel()


def test_a_coroutine_never_awaited_tells_its_origin(debug_loop):
    async def forgotten():
        pass

    async def main():
        forgotten()
        gc.collect()

    with pytest.warns(RuntimeWarning, match=r"(?s)forgotten' was never awaited.*Coroutine created at"):
        debug_loop.run_until_complete(main())
    assert sys.get_coroutine_origin_tracking_depth() == 0


@pytest.mark.usefixtures("without_debug")
def test_switching_debug_in_a_run_takes_effect_at_once(loop):
    async def main():
        before = sys.get_coroutine_origin_tracking_depth()
        loop.set_debug(True)
        await asyncio.sleep(0)
        during = sys.get_coroutine_origin_tracking_depth()
        loop.set_debug(False)
        await asyncio.sleep(0)
        return before, during, sys.get_coroutine_origin_tracking_depth()

    before, during, after = loop.run_until_complete(main())
    assert (before, after) == (0, 0)
    assert during > 0


@pytest.mark.parametrize("debug", [False, True])
def test_an_exception_nobody_retrieved_reaches_the_handler(loop, debug):
    contexts = []
    loop.set_debug(debug)
    loop.set_exception_handler(lambda loop, context: contexts.append(context))

    async def fail():
        raise KeyError("nobody looks")

    async def main():
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        del task
        future = loop.create_future()
        future.set_exception(IndexError())
        del future
        gc.collect()

    loop.run_until_complete(main())
    assert sorted(context["message"] for context in contexts) == [
        "Future exception was never retrieved",
        "Task exception was never retrieved",
    ]
    assert all(("source_traceback" in context) == debug for context in contexts)


def test_a_pending_task_that_goes_reaches_the_handler(loop):
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))

    async def waits_for_nobody():
        await loop.create_future()

    task = loop.create_task(waits_for_nobody())
    loop.run_until_complete(asyncio.sleep(0))
    del task
    gc.collect()
    assert [context["message"] for context in contexts] == ["Task was destroyed but it is pending!"]
