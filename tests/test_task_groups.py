"""`TaskGroup`: what CPython's own suite does not ask, on asyncio and on ironloop."""

import asyncio
import gc
import inspect
import sys
import weakref

import ironloop
import pytest
from conftest import needs_ironloop
from support import PATIENCE


@pytest.fixture
def group_class(loop_name):
    return ironloop.TaskGroup if loop_name == "ironloop" else asyncio.TaskGroup


async def answer(value=42):
    return value


async def fails(error):
    raise error


def test_both_classes_are_one_to_isinstance(run, group_class):
    async def main():
        for group in (group_class(), asyncio.taskgroups.TaskGroup()):
            assert isinstance(group, asyncio.TaskGroup)
            assert isinstance(group, ironloop.TaskGroup)
        assert repr(group_class()) == "<TaskGroup>"

    run(main)


@needs_ironloop
def test_the_methods_look_like_asyncios():
    ours, stock = ironloop.TaskGroup.create_task, asyncio.TaskGroup.create_task
    assert inspect.signature(ours) == inspect.signature(stock)


@needs_ironloop
def test_on_another_loop():
    async def main():
        async with ironloop.TaskGroup() as group:
            task = group.create_task(answer())
        assert task.result() == 42

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())


def test_what_is_inside(run, group_class):
    async def main():
        async with group_class() as group:
            task = group.create_task(answer(), name="named")
            assert task.get_name() == "named"
            assert group._tasks == {task}
            assert group._entered and not group._exiting and not group._aborting
            assert group._parent_task is asyncio.current_task()
            assert "cb=[TaskGroup._on_task_done()]" in repr(task)
            await task
            await asyncio.sleep(0)
            assert not group._tasks
        assert not group._errors
        coroutine = answer()
        with pytest.raises(RuntimeError, match="is finished"):
            group.create_task(coroutine)
        coroutine.close()

    run(main)


def test_errors_come_together_and_the_rest_is_cancelled(run, group_class):
    async def main():
        with pytest.raises(ExceptionGroup) as caught:
            async with group_class() as group:
                group.create_task(fails(KeyError(1)))
                group.create_task(fails(ValueError(2)))
                waiting = group.create_task(asyncio.sleep(PATIENCE))
        assert [type(error) for error in caught.value.exceptions] == [KeyError, ValueError]
        assert waiting.cancelled()
        assert asyncio.current_task().cancelling() == 0

    run(main)


def test_a_group_that_is_cancelled_cancels_its_tasks(run, group_class):
    async def main():
        tasks = []

        async def works():
            async with group_class() as group:
                tasks.extend(group.create_task(asyncio.sleep(PATIENCE)) for _ in range(3))

        working = asyncio.create_task(works())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        working.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await working
        assert all(task.cancelled() for task in tasks)

    run(main)


def test_the_order_of_events(run, group_class):
    async def main():
        order = []

        async def notes(name):
            order.append(name)
            await asyncio.sleep(0)
            order.append(f"{name} again")

        async def beside():
            for turn in range(5):
                order.append(turn)
                await asyncio.sleep(0)

        other = asyncio.create_task(beside())
        async with group_class() as group:
            for name in "ab":
                group.create_task(notes(name))
        order.append("after")
        await other
        assert order == [0, "a", "b", 1, "a again", "b again", 2, 3, "after", 4]

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="came with Python 3.12")
def test_with_eager_tasks(run, group_class):
    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        async with group_class() as group:
            tasks = [group.create_task(answer(number)) for number in range(3)]
            assert all(task.done() for task in tasks)
        assert [task.result() for task in tasks] == [0, 1, 2]
        with pytest.raises(ExceptionGroup):
            async with group_class() as group:
                group.create_task(fails(KeyError()))

    run(main)


def test_a_subclass_is_heard(run, group_class):
    async def main():
        done = []

        class Own(group_class):
            def _on_task_done(self, task):
                done.append(task.result())
                super()._on_task_done(task)

        async with Own() as group:
            group.create_task(answer(1))
            group.create_task(answer(2))
        assert done == [1, 2]

    run(main)


def test_a_loop_that_makes_its_tasks_itself_is_asked(run, group_class):
    async def main():
        loop = asyncio.get_running_loop()
        made = []
        original = loop.create_task

        def create_task(coroutine, **options):
            made.append(coroutine)
            return original(coroutine, **options)

        loop.create_task = create_task
        async with group_class() as group:
            group.create_task(answer())
        assert len(made) == 1

    run(main)


def test_nothing_is_left_of_a_group(run, group_class):
    class Result:
        pass

    async def main():
        async with group_class() as group:
            task = group.create_task(answer(Result()))
        left = weakref.ref(task.result())
        del group, task
        gc.collect()
        assert left() is None

    run(main)
