"""The names of asyncio that ironloop stands behind, for tests."""

import asyncio
import sys
import threading

from support import PATIENCE

FUNCTIONS = (
    "as_completed",
    "create_task",
    "ensure_future",
    "gather",
    "open_connection",
    "open_unix_connection",
    "shield",
    "sleep",
    "start_server",
    "start_unix_server",
    "timeout",
    "timeout_at",
    "wait",
    # On Python 3.11 it is another algorithm, and asyncio's own.
    *(["wait_for"] if sys.version_info >= (3, 12) else []),
)
CLASSES = (
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "LifoQueue",
    "Lock",
    "PriorityQueue",
    "Queue",
    "Semaphore",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "TaskGroup",
)
# Those of which an object can be made without arguments, with or without a loop.
PLAIN = tuple(
    name
    for name in CLASSES
    if name not in ("Barrier", "StreamReader", "StreamReaderProtocol", "StreamWriter")
)

STOCK = {name: getattr(asyncio, name) for name in (*FUNCTIONS, *CLASSES, "Timeout")}


def every_name():
    """All that asyncio and its modules have."""
    return {
        (module_name, name): value
        for module_name, module in sys.modules.items()
        if module_name.split(".")[0] == "asyncio"
        for name, value in vars(module).items()
        if name not in ("_event_loop_policy", "__warningregistry__")
    }


def run(main):
    import ironloop

    return ironloop.run(main, native=True)


def run_stock(main):
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(main)


async def exercise():
    """A little of everything; the kinds of the objects."""
    queue, lock, event = asyncio.Queue(1), asyncio.Lock(), asyncio.Event()
    condition, semaphore = asyncio.Condition(), asyncio.Semaphore(2)

    async def produce():
        async with lock, semaphore:
            for number in range(3):
                await queue.put(number)
        event.set()

    async with asyncio.timeout(PATIENCE) as timeout:
        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            assert [await queue.get() for _ in range(3)] == [0, 1, 2]
            await asyncio.wait_for(event.wait(), PATIENCE)
        assert await asyncio.gather(asyncio.sleep(0, 1), asyncio.shield(asyncio.sleep(0, 2))) == [1, 2]
        async with condition:
            condition.notify_all()
        assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
    assert isinstance(timeout, asyncio.Timeout)
    return [type(made) for made in (queue, lock, event, condition, semaphore, timeout, group)]


async def sleep_for_a_turn():
    await asyncio.sleep(0)
