"""What whoever looks at a native function or method sees: asyncio's."""

import asyncio
import inspect
import pydoc
import types
from unittest import mock

import ironloop
import pytest
from conftest import needs_ironloop

FUNCTIONS = ["sleep", "gather", "wait", "wait_for", "shield", "ensure_future", "create_task", "as_completed"]
METHODS = [
    "Queue.get",
    "Queue.put_nowait",
    "Lock.acquire",
    "Lock.__aenter__",
    "Event.wait",
    "Condition.notify",
    "StreamReader.readuntil",
    "TaskGroup.create_task",
]


def find(module, path):
    for name in path.split("."):
        module = getattr(module, name)
    return module


@pytest.fixture(params=FUNCTIONS + METHODS)
def path(request):
    return request.param


@needs_ironloop
def test_it_is_a_function(path):
    ours, stock = find(ironloop, path), find(asyncio, path)
    assert isinstance(ours, types.FunctionType)
    assert inspect.isfunction(ours)
    assert inspect.isroutine(ours)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(stock)
    assert inspect.signature(ours) == inspect.signature(stock)
    for name in "__name__", "__qualname__", "__module__", "__code__", "__defaults__", "__kwdefaults__":
        assert getattr(ours, name) == getattr(stock, name)
    assert inspect.getsource(ours) == inspect.getsource(stock)


@needs_ironloop
def test_help_shows_its_text(path):
    ours, stock = find(ironloop, path), find(asyncio, path)
    assert object.__getattribute__(ours, "__doc__") == stock.__doc__
    assert pydoc.render_doc(ours) == pydoc.render_doc(stock)


def test_a_mock_of_a_function_checks_its_arguments(run, vocabulary):
    for path in "gather", "shield", "ensure_future", "create_task", "as_completed":
        spec = mock.create_autospec(find(vocabulary, path))
        with pytest.raises(TypeError):
            spec(unknown=1)


def test_a_mock_of_a_class_checks_the_arguments_of_its_methods(run, vocabulary):
    async def main():
        spec = mock.create_autospec(vocabulary.Queue, instance=True)
        with pytest.raises(TypeError):
            spec.put_nowait()
        with pytest.raises(TypeError):
            spec.get_nowait(1)
        spec.put_nowait(1)
        spec.put_nowait.assert_called_once_with(1)
        spec.get.return_value = "got"
        assert await spec.get() == "got"

    run(main)


def test_a_mock_of_a_method_is_handed_the_instance(run, vocabulary):
    async def main():
        queue = vocabulary.Queue()
        with mock.patch.object(vocabulary.Queue, "put_nowait", autospec=True) as put:
            queue.put_nowait(5)
            assert put.call_args.args == (queue, 5)
            with pytest.raises(TypeError):
                queue.put_nowait()
        queue.put_nowait(5)
        assert queue.qsize() == 1

    run(main)


def test_a_mock_of_a_coroutine_function_is_awaited(run, vocabulary):
    async def main():
        with mock.patch.object(vocabulary, "sleep", autospec=True) as sleep:
            await vocabulary.sleep(1000)
            sleep.assert_awaited_once_with(1000)
            with pytest.raises(TypeError):
                await vocabulary.sleep()

    run(main)
