"""What is pickled names asyncio's functions and classes: a worker that has no ironloop loads it."""

import asyncio
import base64
import inspect
import pickle
import sys

import ironloop
import pytest
from conftest import needs_ironloop
from programs import run_program

NAMES = [
    "Queue",
    "LifoQueue",
    "PriorityQueue",
    "Lock",
    "Event",
    "Condition",
    "Semaphore",
    "BoundedSemaphore",
    "Barrier",
    "StreamReader",
    "StreamWriter",
    "StreamReaderProtocol",
    "TaskGroup",
    "sleep",
    "gather",
    "wait",
    "wait_for",
    "shield",
    "as_completed",
    "create_task",
    "ensure_future",
    "timeout",
    "timeout_at",
    "open_connection",
    "start_server",
    "open_unix_connection",
    "start_unix_server",
]
STOCK = {name: getattr(asyncio, name) for name in NAMES}
WORKER = """
import sys
sys.modules["ironloop"] = None
import asyncio, base64, pickle
loaded = pickle.loads(base64.b64decode(sys.argv[1]))
"""


def in_a_worker(written, code):
    """What a process without ironloop makes of it."""
    done = run_program([sys.executable, "-c", WORKER + code, base64.b64encode(written).decode()])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def names_only_asyncio(written):
    return b"ironloop" not in written


@needs_ironloop
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", NAMES)
def test_while_the_names_are_exchanged(installed, name, protocol):
    ours, stock = getattr(asyncio, name), STOCK[name]
    written = pickle.dumps(ours, protocol)
    assert names_only_asyncio(written)
    assert stock.__module__.encode() in written
    assert pickle.loads(written) is ours


@needs_ironloop
@pytest.mark.parametrize("name", NAMES)
def test_while_they_are_not(name):
    """A worker may not have ironloop's own name either: it is loaded as asyncio's there, and here."""
    written = pickle.dumps(getattr(ironloop, name))
    assert names_only_asyncio(written)
    assert pickle.loads(written) is STOCK[name]


@needs_ironloop
def test_a_class_itself_says_that_it_is_ironloops(installed):
    assert asyncio.Queue.__module__ == ironloop.Timeout.__module__ == "ironloop"


class Module(ironloop.Queue):
    pass


@needs_ironloop
def test_a_subclass_has_its_own_name(installed):
    assert pickle.loads(pickle.dumps(Module)) is Module
    assert pickle.loads(pickle.dumps(asyncio.Queue.get)) is asyncio.Queue.get


@needs_ironloop
def test_a_worker_loads_all(installed):
    written = pickle.dumps({name: getattr(asyncio, name) for name in NAMES})
    assert (
        in_a_worker(written, "print(all(getattr(asyncio, name) is it for name, it in loaded.items()))")
        == "True"
    )


@needs_ironloop
@pytest.mark.parametrize("made_before", [False, True])
def test_a_worker_loads_objects(made_before):
    queue = asyncio.Queue(7)
    ironloop.install(native=True)
    try:
        if not made_before:
            queue = asyncio.Queue(7)
        queue.put_nowait("item")
        event = asyncio.Event()
        event.set()
        written = pickle.dumps((queue, event, asyncio.Barrier(2), asyncio.BoundedSemaphore(3)))
    finally:
        ironloop.uninstall()
    assert names_only_asyncio(written)
    code = """
queue, event, barrier, semaphore = loaded
async def main():
    print(type(queue) is asyncio.Queue, queue.maxsize, await queue.get(), queue.empty(),
          event.is_set(), barrier.parties, semaphore._value)
asyncio.run(main())
"""
    assert in_a_worker(written, code) == "True 7 item True True 2 3"


@needs_ironloop
@pytest.mark.parametrize("pickler", ["cloudpickle", "dill"])
def test_by_other_picklers(pickler, request):
    pickler = pytest.importorskip(pickler)
    request.getfixturevalue("installed")
    for name in NAMES:
        written = pickler.dumps(getattr(asyncio, name))
        assert names_only_asyncio(written), name
        assert pickle.loads(written) is getattr(asyncio, name)


@needs_ironloop
def test_by_dill_that_is_imported_after_the_names_were_put():
    pytest.importorskip("dill")
    code = "import asyncio, sys\nfrom dill import dumps\nprint(dumps(asyncio.Queue))"
    done = run_program([sys.executable, "-m", "ironloop", "-c", code])
    assert done.returncode == 0, done.stderr
    assert names_only_asyncio(done.stdout.encode())


PROGRAM = """
import asyncio, base64, cloudpickle
from asyncio import Queue, TaskGroup, gather, sleep, timeout, wait_for

class Numbered(Queue):
    def _put(self, item):
        super()._put((self.qsize(), item))

async def job():
    queue = Numbered(2)
    async with timeout(10), TaskGroup() as group:
        group.create_task(queue.put("item"))
        await gather(sleep(0), sleep(0))
    return isinstance(queue, Queue), await wait_for(queue.get(), 10)

async def main():
    print(base64.b64encode(cloudpickle.dumps(job)).decode())

asyncio.run(main())
"""


@needs_ironloop
def test_a_program_that_goes_to_a_worker_by_value():
    """Its classes too, below those of asyncio's names."""
    pytest.importorskip("cloudpickle")
    done = run_program([sys.executable, "-m", "ironloop", "-c", PROGRAM])
    assert done.returncode == 0, done.stderr
    written = base64.b64decode(done.stdout)
    assert names_only_asyncio(written)
    assert in_a_worker(written, "print(asyncio.run(loaded()))") == "(True, (0, 'item'))"
    assert ironloop.run(pickle.loads(written)()) == (True, (0, "item"))


@needs_ironloop
@pytest.mark.parametrize(
    "name", ["open_connection", "start_server", "open_unix_connection", "start_unix_server"]
)
def test_what_opens_streams_looks_like_asyncios(name):
    ours, stock = getattr(ironloop, name), STOCK[name]
    assert ours is not stock
    assert inspect.iscoroutinefunction(ours)
    assert inspect.signature(ours) == inspect.signature(stock)
    assert ours.__module__ == "asyncio.streams"
