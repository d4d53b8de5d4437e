"""Queues, beyond what CPython's own suite asks: subclasses, tools, private names, other loops, garbage."""

import asyncio
import gc
import inspect
import sys
import warnings
import weakref
from unittest import mock

import pytest
from conftest import needs_ironloop
from support import turns

needs_shutdown = pytest.mark.skipif(sys.version_info < (3, 13), reason="from Python 3.13 on")


@pytest.fixture(params=["Queue", "LifoQueue", "PriorityQueue"])
def queue_class(vocabulary, request):
    return getattr(vocabulary, request.param)


def test_order_of_items(run, vocabulary):
    async def main():
        found = []
        for name in ("Queue", "LifoQueue", "PriorityQueue"):
            queue = getattr(vocabulary, name)()
            for item in (2, 3, 1):
                await queue.put(item)
            found.append([await queue.get() for _ in range(3)])
        return found

    assert run(main) == [[2, 3, 1], [1, 3, 2], [1, 2, 3]]


@pytest.mark.parametrize("maxsize", [0, 1, 5, 2.5])
def test_everything_arrives(run, queue_class, maxsize):
    async def main():
        queue = queue_class(maxsize)
        taken = []
        most = 0

        async def produce(first):
            for item in range(first, 100, 2):
                await queue.put(item)

        async def consume():
            nonlocal most
            for _ in range(50):
                most = max(most, queue.qsize())
                taken.append(await queue.get())
                queue.task_done()

        await asyncio.gather(produce(0), consume(), produce(1), consume())
        await queue.join()
        assert sorted(taken) == list(range(100))
        assert not maxsize or most <= maxsize + 1
        assert queue.empty() and not queue.full()

    run(main)


def test_who_waits_is_served_in_order_and_passes_on_what_it_cannot_take(run, vocabulary):
    async def main():
        queue = vocabulary.Queue(1)
        served = []

        async def get(name):
            served.append((name, await queue.get()))

        tasks = [asyncio.create_task(get(name)) for name in "abc"]
        await turns()
        assert len(queue._getters) == 3
        queue.put_nowait(1)
        tasks[0].cancel()  # it was called up already
        tasks[2].cancel()  # it waits still
        await turns()
        assert served == [("b", 1)]
        assert not queue._getters

        await queue.put(2)
        putters = [asyncio.create_task(queue.put(item)) for item in (3, 4)]
        await turns()
        assert len(queue._putters) == 2
        assert queue.get_nowait() == 2
        putters[0].cancel()
        await turns()
        assert queue.get_nowait() == 4
        assert not queue._putters

    run(main)


def test_misuse(run, vocabulary):
    async def main():
        queue = vocabulary.Queue(maxsize=1)
        with pytest.raises(asyncio.QueueEmpty) as found:
            try:
                raise KeyError
            except KeyError:
                queue.get_nowait()
        assert isinstance(found.value.__context__, KeyError)
        queue.put_nowait(1)
        with pytest.raises(asyncio.QueueFull):
            queue.put_nowait(2)
        queue.task_done()
        with pytest.raises(ValueError, match=r"^task_done\(\) called too many times$"):
            queue.task_done()
        for arguments, text in (
            ((), "missing 1 required positional argument: 'item'"),
            ((1, 2), "takes 2 positional arguments but 3 were given"),
        ):
            with pytest.raises(TypeError) as wrong:
                queue.put(*arguments)
            assert str(wrong.value) == f"Queue.put() {text}"
        with pytest.raises(TypeError):
            vocabulary.Queue(size=1)

    run(main)


def test_a_queue_belongs_to_the_loop_on_which_somebody_waited(run, vocabulary):
    queue = vocabulary.Queue()

    async def wait():
        getter = asyncio.create_task(queue.get())
        await turns()
        getter.cancel()
        await asyncio.wait([getter])
        return getter

    assert run(wait).cancelled()
    error = run(wait).exception()
    assert type(error) is RuntimeError
    assert str(error) == f"{queue!r} is bound to a different event loop"


def test_hooks_of_a_subclass(run, vocabulary):
    class Newest(vocabulary.Queue):
        """Keeps the newest item of each key."""

        def _init(self, maxsize):
            self.seen_maxsize = maxsize
            self._queue = {}

        def _put(self, item):
            self._queue[item[0]] = item

        def _get(self):
            return self._queue.pop(next(iter(self._queue)))

    class Negated(vocabulary.PriorityQueue):
        def _put(self, item):
            super()._put(-item)

        def _get(self):
            return -super()._get()

    async def main():
        newest, negated = Newest(2), Negated()
        assert newest.seen_maxsize == 2
        getter = asyncio.create_task(newest.get())
        await turns()
        for item in ("a1", "b1", "a2"):
            await newest.put(item)
            await turns()
        assert await getter == "a1"
        assert newest.full()
        assert [await newest.get(), await newest.get()] == ["b1", "a2"]
        for item in (1, 3, 2):
            await negated.put(item)
        assert [negated.get_nowait() for _ in range(3)] == [3, 2, 1]

    run(main)


def test_other_methods_of_a_subclass(run, vocabulary):
    class Dropping(vocabulary.Queue):
        """Makes room itself."""

        dropped = ()
        asked = 0

        def _get_loop(self):
            self.asked += 1
            return super()._get_loop()

        def full(self):
            return False

        def put_nowait(self, item):
            if self.qsize() == self.maxsize:
                self.dropped += (self.get_nowait(),)
            super().put_nowait(item)

        def put_first(self, item):
            self._queue.appendleft(item)
            self._unfinished_tasks += 1
            self._finished.clear()
            self._wakeup_next(self._getters)

    async def main():
        queue = Dropping(2)
        for item in range(5):
            await queue.put(item)
        assert queue.dropped == (0, 1, 2)
        assert [await queue.get(), await queue.get()] == [3, 4]
        getter = asyncio.create_task(queue.get())
        await turns()
        queue.put_first("first")
        assert await getter == "first"
        assert queue.asked == 1
        joiner = asyncio.create_task(queue.join())
        for _ in range(6):
            await turns()
            assert not joiner.done()
            queue.task_done()
        await joiner

    run(main)


@pytest.mark.parametrize("on_the_class", [True, False])
def test_methods_that_a_tool_replaces(run, vocabulary, on_the_class):
    async def main():
        queue = vocabulary.Queue()
        place = vocabulary.Queue if on_the_class else queue
        await queue.put(1)
        with mock.patch.object(place, "full", return_value=True), pytest.raises(asyncio.QueueFull):
            queue.put_nowait(2)
        with mock.patch.object(place, "get_nowait", return_value="patched"):
            assert await queue.get() == "patched"
        with mock.patch.object(place, "_put") as put:
            await queue.put(3)
            assert put.call_args.args[-1] == 3
        await queue.put(4)
        assert [queue.get_nowait(), queue.get_nowait()] == [1, 4]

    run(main)


def test_private_names_are_the_queue_itself(run, queue_class):
    async def main():
        queue = queue_class(1)
        queue._queue.append(1)
        assert queue.full() and len(queue._queue) == 1
        queue._maxsize = 2
        assert not queue.full() and queue.maxsize == 2
        queue._queue.clear()
        assert queue.empty()
        queue._queue = type(queue._queue)([5])
        assert await queue.get() == 5
        assert queue._unfinished_tasks == 0 and queue._finished.is_set()
        await queue.put(1)
        assert queue._unfinished_tasks == 1 and not queue._finished.is_set()
        assert repr(queue).endswith(" maxsize=2 _queue=[1] tasks=1>")

    run(main)


def test_initialising_again_empties_it(run, vocabulary):
    async def main():
        queue = vocabulary.Queue()
        await queue.put(1)
        queue.__init__(3)
        assert (queue.qsize(), queue.maxsize, queue._unfinished_tasks) == (0, 3, 0)
        assert queue._loop is None
        getter = asyncio.create_task(queue.get())
        await turns()
        getter.cancel()
        queue.__init__()
        assert queue._loop is asyncio.get_running_loop()

    run(main)


def test_whatever_is_put_where_the_waiters_are(run, vocabulary):
    async def main():
        queue = vocabulary.Queue()
        queue._getters = []
        queue.put_nowait(1)
        assert await queue.get() == 1
        getter = asyncio.create_task(queue.get())
        await turns()
        assert len(queue._getters) == 1
        with pytest.raises(AttributeError, match="'list' object has no attribute 'popleft'"):
            queue.put_nowait(2)
        queue._getters.pop().set_result(None)
        assert await getter == 2

    run(main)


def test_who_looks_changes_nothing(run, vocabulary):
    """Those who came before, those who go meanwhile, and those who come after are served in their order."""

    async def serve(looks):
        queue = vocabulary.Queue()
        served = []

        async def get(name):
            served.append((name, await queue.get()))

        tasks = [asyncio.create_task(get(name)) for name in "abcd"]
        await turns()
        tasks[1].cancel()
        await turns()
        if looks:
            waiting = queue._getters
            assert [getter.done() for getter in waiting] == [False, False, False]
            assert queue._getters is waiting
        tasks.append(asyncio.create_task(get("e")))
        await turns()
        tasks[3].cancel()
        for item in range(3):
            queue.put_nowait(item)
        await turns()
        assert not queue._getters
        return served

    assert run(lambda: serve(True)) == run(lambda: serve(False)) == [("a", 0), ("c", 1), ("e", 2)]


@pytest.mark.usefixtures("without_debug")
def test_put_and_get_are_coroutines(run, vocabulary):
    async def main():
        queue = vocabulary.Queue[int]()
        assert inspect.iscoroutinefunction(queue.put) and inspect.iscoroutinefunction(type(queue).get)
        assert str(inspect.signature(queue.put)) == "(item)"
        put, get = queue.put(1), queue.get()
        assert asyncio.iscoroutine(put) and inspect.isawaitable(get)
        assert queue.empty()  # nothing happens before it is awaited
        assert (put.__qualname__, get.__name__) == ("Queue.put", "get")
        assert await asyncio.gather(get, put) == [1, None]
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await put
        closed = queue.get()
        closed.close()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            queue.get()
        assert [str(found.message) for found in caught] == ["coroutine 'Queue.get' was never awaited"]

    run(main)


def test_closing_who_waits(run, vocabulary):
    async def main():
        queue = vocabulary.Queue()
        get = queue.get()
        get.send(None)
        assert len(queue._getters) == 1
        get.close()
        assert not queue._getters

    run(main)


def test_garbage(loop_factory, queue_class):
    class Item:
        """Can be referred to weakly, and compared with nothing."""

    with asyncio.Runner(loop_factory=loop_factory) as runner:

        async def main():
            queue = queue_class(1)
            item = Item()
            item.queue = queue
            queue.put_nowait(item)
            waiting = queue.put(item)
            waiting.send(None)
            item.waiting = waiting
            return weakref.ref(item)

        item = runner.run(main())
        gc.collect()
        assert item() is None


@needs_shutdown
@pytest.mark.parametrize("immediate", [False, True])
def test_shutdown(run, queue_class, immediate):
    async def main():
        queue = queue_class(1)
        queue.put_nowait(1)
        putter = asyncio.create_task(queue.put(2))
        joiner = asyncio.create_task(queue.join())
        await turns()
        queue.shutdown(immediate)
        with pytest.raises(asyncio.QueueShutDown):
            await putter
        if not immediate:
            assert await queue.get() == 1
            queue.task_done()
        await joiner
        for call in (queue.get_nowait, lambda: queue.put_nowait(1)):
            with pytest.raises(asyncio.QueueShutDown):
                call()
        with pytest.raises(asyncio.QueueShutDown):
            await queue.get()

    run(main)


@needs_ironloop
def test_the_classes_stand_for_asyncios():
    import ironloop

    for name in ("Queue", "LifoQueue", "PriorityQueue"):
        ours, stock = getattr(ironloop, name), getattr(asyncio.queues, name)
        assert issubclass(ours, stock) and issubclass(stock, ours)
        assert isinstance(ours(), stock) and isinstance(stock(), ours)
        assert type(ours()) is ours
    assert not isinstance(ironloop.Queue(), ironloop.LifoQueue)
    assert issubclass(ironloop.PriorityQueue, ironloop.Queue)


@needs_ironloop
def test_on_another_loop():
    import ironloop

    class Counted(ironloop.Queue):
        puts = 0

        def _put(self, item):
            self.puts += 1
            super()._put(item)

    async def main():
        assert type(ironloop.PriorityQueue(3)) is asyncio.queues.PriorityQueue
        queue = Counted(2)
        taken = []

        async def consume():
            while (item := await queue.get()) is not None:
                taken.append(item)

        consumer = asyncio.create_task(consume())
        await turns()
        impatient = asyncio.create_task(queue.get())
        await turns()
        impatient.cancel()
        for item in [*range(1, 20), None]:
            await queue.put(item)
        await consumer
        assert taken == list(range(1, 20)) and queue.puts == 20

    asyncio.run(main())
