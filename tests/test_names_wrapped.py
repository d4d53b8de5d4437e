"""ironloop's objects behind asyncio's own names, and tools that wrap or patch the same names."""

import asyncio
import functools
from unittest import mock

import pytest
from conftest import needs_ironloop
from names import STOCK, run, sleep_for_a_turn

pytestmark = [needs_ironloop, pytest.mark.usefixtures("restored")]


def test_a_patch_around_a_run_stays_in_place():
    async def main():
        await asyncio.sleep(3600)

    with mock.patch("asyncio.sleep") as patched:
        run(main())
    patched.assert_awaited_once_with(3600)


def wrapped_in(calls, function):
    """As many tools do it."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        calls.append(args)
        return function(*args, **kwargs)

    return wrapper


def test_a_wrapper_that_is_there_before_stays(monkeypatch):
    import ironloop

    calls = []
    monkeypatch.setattr(asyncio, "sleep", wrapped_in(calls, asyncio.sleep))
    wrapper = asyncio.sleep
    ironloop.install(native=True)
    assert asyncio.sleep is wrapper
    asyncio.run(sleep_for_a_turn())
    monkeypatch.undo()
    # What has become asyncio's own again is exchanged by the next one.
    run(sleep_for_a_turn())
    assert asyncio.sleep is ironloop.sleep
    ironloop.uninstall()
    assert calls == [(0,)]


def test_a_wrapper_that_comes_later_may_go_later(monkeypatch):
    import ironloop

    calls = []
    ironloop.install(native=True)
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", wrapped_in(calls, asyncio.sleep))
        asyncio.run(sleep_for_a_turn())
        ironloop.uninstall()
        asyncio.run(sleep_for_a_turn())
        run(sleep_for_a_turn())
    assert calls == [(0,)] * 3
    # It has left what it found: ours, which on asyncio's loop is asyncio's.
    assert asyncio.sleep is ironloop.sleep
    asyncio.run(sleep_for_a_turn())
    run(sleep_for_a_turn())
    assert asyncio.sleep is STOCK["sleep"]


class Traced:
    """What a tool does to a method; whether it is called."""

    def __init__(self):
        self.names = []

    def wrap(self, create_task):
        @functools.wraps(create_task)
        def wrapper(group, coro, **kwargs):
            self.names.append(coro.__name__)
            return create_task(group, coro, **kwargs)

        return wrapper


async def group_one():
    async with asyncio.TaskGroup() as group:
        return await group.create_task(sleep_for_a_turn())


def test_a_method_that_is_wrapped_before_keeps_asyncios_class(monkeypatch):
    import ironloop

    traced = Traced()
    monkeypatch.setattr(STOCK["TaskGroup"], "create_task", traced.wrap(STOCK["TaskGroup"].create_task))
    ironloop.install(native=True)
    assert asyncio.TaskGroup is STOCK["TaskGroup"]
    asyncio.run(group_one())
    monkeypatch.undo()
    run(group_one())
    assert asyncio.TaskGroup is ironloop.TaskGroup
    ironloop.uninstall()
    assert traced.names == ["sleep_for_a_turn"]


@pytest.mark.parametrize("unwrapped", ["while installed", "later"])
def test_a_method_that_is_wrapped_later(unwrapped):
    import ironloop

    traced = Traced()
    original = vars(STOCK["TaskGroup"])["create_task"]
    ironloop.install(native=True)
    ours = asyncio.TaskGroup.create_task
    asyncio.TaskGroup.create_task = traced.wrap(ours)
    asyncio.run(group_one())
    if unwrapped == "while installed":
        asyncio.TaskGroup.create_task = ours
        ironloop.uninstall()
    else:
        ironloop.uninstall()
        asyncio.run(group_one())
        asyncio.TaskGroup.create_task = ours
    asyncio.run(group_one())
    run(group_one())
    assert traced.names == ["sleep_for_a_turn"] * (1 if unwrapped == "while installed" else 2)
    assert vars(STOCK["TaskGroup"])["create_task"] in (original, ours)
    STOCK["TaskGroup"].create_task = original


def test_code_that_a_tool_has_exchanged_runs(installed):
    async def traced(delay, result=None):
        return "traced"

    async def main():
        return await asyncio.sleep(0)

    stock = STOCK["sleep"]
    original = stock.__code__
    stock.__code__ = traced.__code__
    try:
        assert asyncio.run(main()) == "traced"
    finally:
        stock.__code__ = original
    assert asyncio.run(main()) is None


def test_attributes_are_those_of_asyncios(installed):
    asyncio.sleep.mark = "a tool's"
    assert STOCK["sleep"].mark == "a tool's"
    del asyncio.sleep.mark
    assert not hasattr(STOCK["sleep"], "mark")
