"""ironloop's objects behind asyncio's own names dispatch on the loop, and look like asyncio's."""

import asyncio
import inspect
import pickle
import sys
import threading
import typing
import weakref
from unittest import mock

import pytest
from conftest import needs_ironloop
from names import CLASSES, FUNCTIONS, PLAIN, STOCK, exercise, run, run_stock
from programs import run_program

pytestmark = [needs_ironloop, pytest.mark.usefixtures("restored")]


def test_another_loop_in_another_thread_keeps_asyncios(installed):
    others, stop = [], threading.Event()

    def other_thread():
        while not (stop.is_set() and others):
            others.append(run_stock(exercise()))

    thread = threading.Thread(target=other_thread)
    thread.start()
    try:
        kinds = asyncio.run(exercise())
    finally:
        stop.set()
        thread.join()
    names = ("Queue", "Lock", "Event", "Condition", "Semaphore", "Timeout", "TaskGroup")
    import ironloop

    assert kinds == [getattr(ironloop, name) for name in names]
    assert all(kinds == [STOCK[name] for name in names] for kinds in others)


def test_runs_in_threads_come_and_go():
    import ironloop

    async def main():
        for _ in range(20):
            assert asyncio.sleep is ironloop.sleep
            await asyncio.sleep(0)

    def many():
        for _ in range(20):
            run(main())

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("name", PLAIN)
def test_instances_of_both(name):
    import ironloop

    ours, stock = getattr(ironloop, name), STOCK[name]
    assert issubclass(ours, stock)
    assert issubclass(stock, ours)

    async def make():
        return ours(), getattr(asyncio, name)()

    for made in (ours(), *run(make()), *run_stock(make()), stock()):
        assert isinstance(made, ours)
        assert isinstance(made, stock)
    assert not isinstance(object(), ours)
    assert [type(made) for made in run_stock(make())] == [stock, stock]
    assert [type(made) for made in run(make())] == [ours, ours]


def test_a_subclass_in_an_unmodified_program():
    code = """
import asyncio
class Reversed(asyncio.Queue):
    def _put(self, item):
        self._queue.appendleft(item)
async def main():
    queue = Reversed()
    for number in range(3):
        queue.put_nowait(number)
    print(isinstance(queue, asyncio.Queue), type(queue) is Reversed, [await queue.get() for _ in range(3)])
asyncio.run(main())
"""
    done = run_program([sys.executable, "-m", "ironloop", "-c", code])
    assert done.stdout == "True True [2, 1, 0]\n", done.stderr


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_looks_like_asyncios(installed, name):
    ours, stock = getattr(asyncio, name), STOCK[name]
    assert ours.__name__ == stock.__name__
    assert inspect.signature(ours) == inspect.signature(stock)
    assert pickle.loads(pickle.dumps(ours)) is ours
    assert weakref.ref(ours)() is ours

    class Sub(ours):
        def __init__(self, *, own):
            super().__init__()

    assert list(inspect.signature(Sub).parameters) == ["own"]

    class Plain(ours):
        pass

    assert inspect.signature(Plain) == inspect.signature(stock)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_looks_like_asyncios(installed, name):
    ours, stock = getattr(asyncio, name), STOCK[name]
    assert inspect.signature(ours) == inspect.signature(stock)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(stock)
    assert typing.get_type_hints(ours) == typing.get_type_hints(stock)
    assert inspect.getdoc(ours) == inspect.getdoc(stock)
    assert (ours.__name__, ours.__qualname__) == (stock.__name__, stock.__qualname__)
    assert pickle.loads(pickle.dumps(ours)) is ours
    assert weakref.ref(ours)() is ours
    patched = mock.patch(f"asyncio.{name}")
    assert isinstance(patched.start(), mock.AsyncMock) == inspect.iscoroutinefunction(stock)
    patched.stop()
    assert getattr(asyncio, name) is ours


def test_a_function_is_pickled_also_when_it_is_not_in_place():
    import ironloop

    assert pickle.loads(pickle.dumps(ironloop.sleep)) is asyncio.sleep
