"""A million tasks, and what they wait for: nothing is left of them."""

import asyncio
import contextlib
import gc
import os
import sys
import weakref

import pytest
from conftest import needs_ironloop
from random_programs.sides import ironlooped

pytestmark = pytest.mark.skipif(not hasattr(sys, "getallocatedblocks"), reason="CPython only")

# Tasks in one go. Each kind of work below makes about so many.
CROWD = 100


class Spawning:
    """Makes tasks, counts them, and knows those that are still there."""

    def __init__(self):
        self.made = 0
        self.alive = weakref.WeakSet()

    def __call__(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.made += 1
        self.alive.add(task)
        return task


async def all_of(tasks):
    """Waits for them one by one; whatever they end in."""
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, ZeroDivisionError):
            await task


async def settled():
    """What was scheduled by the last to end holds them no longer."""
    for _ in range(5):
        await asyncio.sleep(0)


async def nothing():
    pass


async def fails():
    await asyncio.sleep(0)
    1 / 0  # noqa: B018


async def trivial(spawn):
    for _ in range(CROWD):
        await spawn(nothing())


async def sleeping(spawn):
    await all_of([spawn(asyncio.sleep(number % 2 / 10_000)) for number in range(CROWD)])


async def failing(spawn):
    await all_of([spawn(fails()) for _ in range(CROWD)])


async def cancelled(spawn):
    tasks = [spawn(asyncio.sleep(3600)) for _ in range(CROWD)]
    for task in tasks[::2]:
        task.cancel()
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel("message")
    await all_of(tasks)


async def on_a_future(spawn):
    async def waits():
        return await future

    future = asyncio.get_running_loop().create_future()
    tasks = [spawn(waits()) for _ in range(CROWD)]
    await asyncio.sleep(0)
    future.set_result(None)
    await all_of(tasks)


async def on_each_other(spawn):
    async def follows(other):
        return await other

    task = spawn(asyncio.sleep(0))
    for _ in range(CROWD):
        task = spawn(follows(task))
    await task


async def with_callbacks(spawn):
    loop = asyncio.get_running_loop()
    for _ in range(CROWD):
        done = loop.create_future()
        task = spawn(asyncio.sleep(0))
        task.add_done_callback(done.set_result)
        task.remove_done_callback(spawn(nothing()).add_done_callback)
        await done


async def with_queues(spawn):
    queue, ends = asyncio.Queue(3), asyncio.PriorityQueue()

    async def puts(number):
        await queue.put(number)

    async def gets():
        ends.put_nowait(await queue.get())
        queue.task_done()

    tasks = [spawn(part) for number in range(CROWD // 2) for part in (puts(number), gets())]
    left = spawn(ends.get())
    await all_of([left, *tasks])
    await queue.join()
    left = spawn(queue.get())
    await asyncio.sleep(0)
    left.cancel()
    await all_of([left])


async def with_locks(spawn):
    lock, semaphore = asyncio.Lock(), asyncio.Semaphore(2)
    event, condition = asyncio.Event(), asyncio.Condition()

    async def holds():
        async with lock, semaphore:
            await asyncio.sleep(0)

    async def waits():
        await event.wait()
        async with condition:
            await condition.wait()

    async def told():
        event.set()
        while not all(task.done() for task in waiting):
            async with condition:
                condition.notify_all()
            await asyncio.sleep(0)

    holding = [spawn(holds()) for _ in range(CROWD // 2)]
    waiting = [spawn(waits()) for _ in range(CROWD // 2)]
    await asyncio.sleep(0)
    holding[-1].cancel()
    waiting[-1].cancel()
    await all_of([*holding, spawn(told()), *waiting])


async def at_a_barrier(spawn):
    barrier = asyncio.Barrier(4)
    await all_of([spawn(barrier.wait()) for _ in range(CROWD)])


async def in_time(spawn):
    for _ in range(CROWD // 2):
        await asyncio.wait_for(spawn(asyncio.sleep(0)), 3600)
        async with asyncio.timeout(3600):
            await spawn(nothing())


async def too_late(spawn):
    async def hurries():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(3600), 0.000_1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.sleep(3600)

    await all_of([spawn(hurries()) for _ in range(CROWD)])


async def gathered(spawn):
    await asyncio.gather(*(spawn(asyncio.sleep(0)) for _ in range(CROWD // 2)))
    await asyncio.gather(*(spawn(fails()) for _ in range(CROWD // 2)), return_exceptions=True)


async def one_of_all_fails(spawn):
    tasks = [spawn(fails()), *(spawn(asyncio.sleep(0)) for _ in range(CROWD))]
    with contextlib.suppress(ZeroDivisionError):
        await asyncio.gather(*tasks)
    await all_of(tasks)


async def in_groups(spawn):
    for _ in range(CROWD // 10):
        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(asyncio.sleep(0))
                spawn.made += 1


async def in_failing_groups(spawn):
    for _ in range(CROWD // 10):
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                for _ in range(9):
                    group.create_task(asyncio.sleep(3600))
                group.create_task(fails())
                spawn.made += 10


async def first_of_several(spawn):
    for _ in range(CROWD // 5):
        tasks = [spawn(asyncio.sleep(0)), *(spawn(asyncio.sleep(3600)) for _ in range(4))]
        _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await all_of(tasks)


async def one_after_the_other(spawn):
    for done in asyncio.as_completed([spawn(asyncio.sleep(0)) for _ in range(CROWD)], timeout=3600):
        await done


async def shielded(spawn):
    async def outer():
        await asyncio.shield(inner)

    for _ in range(CROWD // 2):
        inner = spawn(asyncio.sleep(0))
        shielding = spawn(outer())
        await asyncio.sleep(0)
        shielding.cancel()
        await all_of([shielding, inner])


KINDS = [
    trivial,
    sleeping,
    failing,
    cancelled,
    on_a_future,
    on_each_other,
    with_callbacks,
    with_queues,
    with_locks,
    at_a_barrier,
    in_time,
    too_late,
    gathered,
    one_of_all_fails,
    in_groups,
    in_failing_groups,
    first_of_several,
    one_after_the_other,
    shielded,
]


def run_on(loop_name, main):
    if loop_name == "asyncio":
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(main())
    import ironloop

    with ironlooped(), asyncio.Runner(loop_factory=ironloop.new_event_loop) as runner:
        return runner.run(main())


def resident():
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(readings):
    """From the second quarter of some readings to the last: the least that there can have been."""
    quarter = len(readings) // 4
    return min(readings[-quarter:]) - max(readings[quarter : 2 * quarter])


# Stock asyncio shows that the measure is right; it need not take as long.
@pytest.mark.parametrize(("loop_name", "count"), [("asyncio", 150_000), ("ironloop", 1_000_000)])
@pytest.mark.timeout(600)  # a slow machine takes its time
def test_of_a_million_tasks_nothing_is_left(loop_name, count, monkeypatch):
    async def main():
        spawn = Spawning()
        blocks, objects, memory = [], [], []
        while spawn.made < count:
            until = spawn.made + count // 40
            while spawn.made < until:
                for kind in KINDS:
                    await kind(spawn)
            await settled()
            gc.collect()
            assert len(spawn.alive) == 0
            blocks.append(sys.getallocatedblocks())
            objects.append(len(gc.get_objects()))
            memory.append(resident())
        return blocks, objects, memory

    blocks, objects, memory = run_on(loop_name, main)
    # A block of every thousandth task would be several hundred, sixteen bytes of every task many megabytes.
    assert growth(blocks) < 300
    assert growth(objects) < 300
    assert growth(memory) < 4_000_000


def left_without_collector(loop_name, kind):
    """Objects that each round of a kind of work leaves behind for the cyclic collector; and tasks."""
    rounds = 20

    async def main():
        for _ in range(3):
            await kind(Spawning())
        spawn = Spawning()
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            for _ in range(rounds):
                await kind(spawn)
            await settled()
            return len(gc.get_objects()) / rounds, len(spawn.alive) / rounds
        finally:
            gc.enable()
            gc.unfreeze()

    return run_on(loop_name, main)


@needs_ironloop
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_asyncio_does_without_the_collector_needs_none(kind):
    stock_objects, stock_tasks = left_without_collector("asyncio", kind)
    objects, tasks = left_without_collector("ironloop", kind)
    # A handful of objects a round may be the loop's own; a crowd of tasks is a hundred.
    assert objects <= stock_objects + CROWD / 20
    assert tasks <= stock_tasks
