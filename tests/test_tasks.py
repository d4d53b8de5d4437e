"""create_task, its keywords, and task factories."""

import asyncio
import contextvars
import sys

import pytest

variable = contextvars.ContextVar("variable", default="default")


async def answer(value=42):
    await asyncio.sleep(0)
    return value


def test_a_task_is_asyncios_and_belongs_to_the_loop(run):
    async def main():
        loop = asyncio.get_running_loop()
        task = loop.create_task(answer())
        assert isinstance(task, asyncio.Task)
        assert task.get_loop() is loop
        assert task in asyncio.all_tasks()
        assert await task == 42
        assert task not in asyncio.all_tasks()
        assert asyncio.current_task() is not None

    run(main)


def test_names(run):
    async def main():
        loop = asyncio.get_running_loop()
        named = loop.create_task(answer(), name="a name")
        nameless = loop.create_task(answer())
        assert named.get_name() == "a name"
        assert nameless.get_name().startswith("Task-")
        await asyncio.gather(named, nameless)

    run(main)


def test_contexts(run):
    async def look():
        await asyncio.sleep(0)
        variable.set(variable.get() + " seen")
        return variable.get()

    async def main():
        loop = asyncio.get_running_loop()
        variable.set("outer")
        context = contextvars.copy_context()
        context.run(variable.set, "given")
        assert await loop.create_task(look(), context=context) == "given seen"
        assert await loop.create_task(look()) == "outer seen"
        assert context[variable] == "given seen"
        assert variable.get() == "outer"

    run(main)


def test_what_is_no_coroutine_is_refused(run):
    async def main():
        with pytest.raises(TypeError, match="a coroutine was expected"):
            asyncio.get_running_loop().create_task(17)
        coroutine = answer()
        with pytest.raises(TypeError):
            asyncio.get_running_loop().create_task(coroutine, no_such_keyword=1)
        coroutine.close()

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="came with Python 3.14")
def test_eager_start(run):
    async def main():
        ran = []

        async def eager():
            ran.append("ran")
            await asyncio.sleep(0)

        task = asyncio.get_running_loop().create_task(eager(), eager_start=True)
        assert ran == ["ran"]
        await task

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="came with Python 3.12")
def test_the_eager_task_factory(run):
    async def main():
        ran = []

        async def eager(value):
            ran.append(value)
            return value

        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        task = loop.create_task(eager(1))
        assert ran == [1]
        assert task.done()
        assert await task == 1
        waiting = loop.create_task(answer(2))
        assert not waiting.done()
        assert await waiting == 2
        loop.set_task_factory(None)
        task = loop.create_task(eager(3))
        assert ran == [1]
        assert await task == 3

    run(main)


def test_a_task_factory_makes_every_task(run):
    async def main():
        made = []

        class Own(asyncio.Task):
            pass

        def factory(loop, coroutine, **options):
            task = Own(coroutine, loop=loop, **options)
            made.append(task)
            return task

        loop = asyncio.get_running_loop()
        assert loop.get_task_factory() is None
        loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory
        first = asyncio.create_task(answer(1), name="first")
        assert await asyncio.gather(first, answer(2)) == [1, 2]
        assert len(made) == 2
        assert isinstance(first, Own)
        assert first.get_name() == "first"
        with pytest.raises(TypeError, match="task factory must be a callable or None"):
            loop.set_task_factory(17)

    run(main)


def test_a_task_factory_may_know_only_the_coroutine(run):
    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coroutine, context=None: asyncio.Task(coroutine, loop=loop))
        if sys.version_info < (3, 13):
            assert await loop.create_task(answer(), name="set afterwards") == 42
        assert await loop.create_task(answer()) == 42

    run(main)


def test_groups_gather_and_cancelling(run):
    async def main():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer(number)) for number in range(10)]
        assert [task.result() for task in tasks] == list(range(10))

        async def fail():
            raise KeyError("in the group")

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                sleeping = group.create_task(asyncio.sleep(3600))
                group.create_task(fail())
        assert isinstance(caught.value.exceptions[0], KeyError)
        assert sleeping.cancelled()

    run(main)


def test_the_vocabulary_of_asyncio(run):
    """Locks, queues, events, semaphores, conditions, barriers: all of it on this loop."""

    async def main():
        queue = asyncio.Queue(maxsize=3)
        lock, event, semaphore, condition = (
            asyncio.Lock(),
            asyncio.Event(),
            asyncio.Semaphore(2),
            asyncio.Condition(),
        )
        got, inside = [], []

        async def produce():
            for number in range(20):
                await queue.put(number)
            await queue.put(None)
            event.set()

        async def consume():
            while (item := await queue.get()) is not None:
                async with lock:
                    got.append(item)

        async def limited():
            async with semaphore:
                inside.append(1)
                assert len(inside) <= 2
                await asyncio.sleep(0)
                inside.pop()

        async def told():
            async with condition:
                await condition.wait()

        waiting = asyncio.create_task(told())
        barrier = asyncio.Barrier(3)
        await asyncio.gather(
            produce(), consume(), *(limited() for _ in range(5)), *(barrier.wait() for _ in range(3))
        )
        await event.wait()
        async with condition:
            condition.notify_all()
        await waiting
        assert got == list(range(20))

    run(main)


def test_classes_put_in_the_place_of_asyncios_own_are_used(loop, monkeypatch):
    class Task(asyncio.Task):
        pass

    class Future(asyncio.Future):
        pass

    monkeypatch.setattr(asyncio.tasks, "Task", Task)
    monkeypatch.setattr(asyncio.futures, "Future", Future)
    task = loop.create_task(answer())
    assert type(task) is Task
    assert loop.run_until_complete(task) == 42
    assert type(loop.create_future()) is Future
    monkeypatch.undo()
    task = loop.create_task(answer())
    assert isinstance(task, asyncio.Task)
    assert not isinstance(task, Task)
    loop.run_until_complete(task)
    assert not isinstance(loop.create_future(), Future)


@pytest.mark.skipif(sys.version_info < (3, 15), reason="begun anew before Python 3.15")
def test_what_has_begun_cannot_begin_again(loop, vocabulary):
    async def main():
        task, future, again = loop.create_task(answer()), vocabulary.Future(), answer()
        with pytest.raises(RuntimeError, match="object is already initialized"):
            task.__init__(again, loop=loop)
        with pytest.raises(RuntimeError, match="object is already initialized"):
            future.__init__(loop=loop)
        again.close()
        assert not task.done() and not future.done()
        assert await task == 42

    loop.run_until_complete(main())
