"""Exceptions in callbacks: they reach the loop's exception handler, and the loop lives on."""

import asyncio
import logging

import pytest
from support import run_until


@pytest.fixture
def contexts(loop):
    """What the loop's exception handler was called with."""
    collected = []
    loop.set_exception_handler(lambda loop, context: collected.append(context))
    return collected


def fail():
    raise ZeroDivisionError("on purpose")


def run_once(loop):
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_a_callback_that_raises(loop, contexts):
    ran = []
    handle = loop.call_soon(fail)
    loop.call_soon(ran.append, "next")
    run_once(loop)
    assert ran == ["next"]
    (context,) = contexts
    assert isinstance(context["exception"], ZeroDivisionError)
    assert context["message"].startswith("Exception in callback fail")
    assert context["handle"] is handle


def test_a_timer_and_a_threadsafe_callback_that_raise(loop, contexts):
    loop.call_later(0, fail)
    loop.call_soon_threadsafe(fail)
    run_until(loop, lambda: len(contexts) >= 2)
    assert len(contexts) == 2


def test_without_a_handler_it_is_logged(loop, caplog):
    loop.call_soon(fail)
    run_once(loop)
    (record,) = caplog.records
    assert record.name == "asyncio"
    assert record.levelno == logging.ERROR
    assert record.message.startswith("Exception in callback fail")
    assert record.exc_info[0] is ZeroDivisionError


def test_set_exception_handler_checks_returns_and_resets(loop, caplog):
    def handler(loop, context):
        raise AssertionError("was taken away")

    assert loop.get_exception_handler() is None
    loop.set_exception_handler(handler)
    assert loop.get_exception_handler() is handler
    with pytest.raises(TypeError, match="A callable object or None is expected"):
        loop.set_exception_handler(17)
    loop.set_exception_handler(None)
    assert loop.get_exception_handler() is None
    loop.call_soon(fail)
    run_once(loop)
    assert len(caplog.records) == 1


def test_the_handler_gets_the_loop(loop):
    got = []
    loop.set_exception_handler(lambda *arguments: got.append(arguments))
    context = {"message": "by hand"}
    loop.call_exception_handler(context)
    assert got == [(loop, context)]


def test_a_handler_that_raises_is_logged(loop, caplog):
    def bad_handler(loop, context):
        raise RuntimeError("the handler itself")

    loop.set_exception_handler(bad_handler)
    loop.call_soon(fail)
    run_once(loop)
    (record,) = caplog.records
    assert record.message.startswith("Unhandled error in exception handler")
    assert record.exc_info[0] is RuntimeError


def test_the_default_handler_names_what_it_is_given(loop, caplog):
    loop.default_exception_handler({"message": "the message", "future": "the future", "other": 17})
    assert caplog.records[0].message == "the message\nfuture: 'the future'\nother: 17"
    caplog.clear()
    loop.default_exception_handler({})
    assert caplog.records[0].message == "Unhandled exception in event loop"


def test_a_subclass_may_override_the_default_handler(loop_factory):
    loop = loop_factory()
    kind = type(loop)
    loop.close()
    contexts = []

    class Own(kind):
        def default_exception_handler(self, context):
            contexts.append(context)

    loop = Own()
    loop.call_soon(fail)
    run_once(loop)
    loop.close()
    assert len(contexts) == 1


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_handler_may_end_the_program(loop, kind):
    def handler(loop, context):
        raise kind

    loop.set_exception_handler(handler)
    loop.call_soon(fail)
    with pytest.raises(kind):
        loop.run_forever()


def test_a_task_that_raises_stops_only_itself(run):
    async def main():
        async def failing():
            fail()

        task = asyncio.create_task(failing())
        with pytest.raises(ZeroDivisionError):
            await task
        results = await asyncio.gather(failing(), asyncio.sleep(0, "fine"), return_exceptions=True)
        assert isinstance(results[0], ZeroDivisionError)
        assert results[1] == "fine"

    run(main)


def test_deep_recursion_in_a_callback(loop, contexts):
    def recurse():
        recurse()

    ran = []
    loop.call_soon(recurse)
    loop.call_soon(ran.append, "next")
    run_once(loop)
    assert [type(context["exception"]) for context in contexts] == [RecursionError]
    assert ran == ["next"]
