"""A Python whose asyncio is not the one that ironloop knows: it says so once, and uses asyncio's own."""

import json
import sys

from conftest import needs_ironloop
from programs import run_program

pytestmark = needs_ironloop

# A bit of everything, after `prepare()` has made asyncio another one; `restore()` gives back what it needs.
PROGRAM = """
import asyncio, sys, warnings

def what_is_ours(prepare, restore):
    "What the import says, whether loop and tasks are ironloop's, and whether its names are asyncio's."
    prepare()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import ironloop
    restore()
    said = [(warning.category.__name__, warning.filename == __file__) for warning in caught]

    async def child():
        await asyncio.sleep(0)
        return 1

    async def main():
        loop = asyncio.get_running_loop()
        assert await asyncio.gather(child(), child()) == [1, 1]
        queue = ironloop.Queue(1)
        async with ironloop.TaskGroup() as group:
            group.create_task(queue.put(2))
            assert await ironloop.wait_for(queue.get(), 60) == 2
        async with asyncio.timeout(60), ironloop.Lock(), ironloop.Semaphore():
            await loop.run_in_executor(None, int)
        future = loop.create_future()
        loop.call_later(0.001, future.set_result, 3)
        assert await future == 3
        failed = loop.create_future()
        failed.set_exception(ValueError())
        try:
            await failed
        except ValueError:
            pass
        task = asyncio.create_task(asyncio.sleep(3600))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() and task not in asyncio.all_tasks()
        async def echo(reader, writer):
            writer.write(await reader.readline())
            writer.close()
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await ironloop.open_connection(*server.sockets[0].getsockname())
        writer.write(b"line\\n")
        assert await reader.read() == b"line\\n"
        writer.close()
        server.close()
        has_own_task = isinstance(task, ironloop.Task) and ironloop.Task is not asyncio.Task
        return [isinstance(loop, ironloop.Loop), has_own_task]

    results = [ironloop.run(main())]
    ironloop.install()
    results.append(asyncio.run(main()))
    ironloop.uninstall()
    assert results[0] == results[1], results
    return [said, *results[0], ironloop.Lock is asyncio.Lock]
"""

ALL_OURS = [[], True, True, False]
ONLY_THE_LOOP = [[["RuntimeWarning", True]], True, False, True]
NOTHING = [[["RuntimeWarning", True]], False, False, True]


def outcome(tmp_path, source):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM + source)
    done = run_program([sys.executable, path])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_running_python_is_known(tmp_path):
    source = "import json; print(json.dumps(what_is_ours(int, int)))"
    assert outcome(tmp_path, source) == ALL_OURS


# Each name in a fork of its own: asyncio is imported once.
WITHOUT_EACH = """
import json, os, traceback

def owner_of(path):
    if path in sys.modules:
        return sys.modules[path]
    module, _, name = path.rpartition(".")
    return getattr(sys.modules[module], name)

def taking_away(path, name):
    owner = owner_of(path)
    bases = owner.__mro__ if isinstance(owner, type) else [owner]
    held = [(base, vars(base)[name]) for base in bases if name in vars(base)]
    assert held
    def take_away():
        for base, _ in held:
            delattr(base, name)
    def give_back():
        for base, value in held:
            setattr(base, name, value)
    return take_away, give_back

def leaving_out(path, name):
    "An attribute that `__init__` does not set any more."
    owner = owner_of(path)
    initialize = owner.__init__
    def without(self, *args, **kwargs):
        initialize(self, *args, **kwargs)
        delattr(self, name)
    return (lambda: setattr(owner, "__init__", without)), (lambda: setattr(owner, "__init__", initialize))

def in_a_fork(change):
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            result = what_is_ours(*change)
        except BaseException:
            result = traceback.format_exc()
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as result:
        said = json.load(result)
    os.wait()
    return said

results = {}
for change, table in TABLES:
    for path, names in table.items():
        for name in names:
            results[f"{path}.{name}"] = in_a_fork(globals()[change](path, name))
print(json.dumps(results))
"""


def test_each_private_name_may_be_gone(tmp_path):
    from ironloop import private

    attributes = {path: names for path, (_, names) in private._ATTRIBUTES.items()}
    tables = [
        ("taking_away", private._LOOP),
        ("taking_away", private._VOCABULARY),
        ("leaving_out", attributes),
    ]
    results = outcome(tmp_path, f"TABLES = {tables!r}\n{WITHOUT_EACH}")
    of_the_loop = {f"{path}.{name}" for path, names in private._LOOP.items() for name in names}
    expected = {name: NOTHING if name in of_the_loop else ONLY_THE_LOOP for name in results}
    assert len(results) > 80
    assert results == expected


# What Python says of a future or a task, against what is in its struct: each of these says one thing wrongly.
LIES_OF_FUTURES = {
    "the loop": "def __init__(self, *, loop): super().__init__(loop=type(loop)(**vars(loop)))",
    "a callback": "def add_done_callback(self, f, **more): super().add_done_callback(int, **more)",
    "a context": """def add_done_callback(self, f, *, context):
        super().add_done_callback(f, context=context.copy())""",
    "no callback": "def add_done_callback(self, f, *, context): pass",
    "the result": "def set_result(self, result): super().set_result(0)",
    "the error": "def set_exception(self, error): super().set_exception(OSError())",
    "the log of an error": "_log_traceback = False",
    "a cancellation": "def cancel(self, msg=None): super().set_result(0)",
    "the error of a cancellation": "def _make_cancelled_error(self): super()._make_cancelled_error()",
    "the message": "_cancel_message = None",
    "the state": "_state = 'PENDING'",
    "the awaiting": "_asyncio_future_blocking = False",
    "where it was made": "_source_traceback = None",
}
LIES_OF_TASKS = {
    "the coroutine": """def __init__(self, coroutine, **more):
        async def other(): pass
        super().__init__(other(), **more)
        self.get_coro().close()""",
    "the name": "def __init__(self, *args, name, **more): super().__init__(*args, name='other', **more)",
    "the context": """def __init__(self, *args, context, **more):
        super().__init__(*args, context=context.copy(), **more)""",
    "the awaited": "_fut_waiter = None",
    "the cancellation": "_must_cancel = False",
    "another cancellation": "_must_cancel = True",
    "the requests": "def cancel(self, msg=None): return super().cancel(msg) and super().cancel(msg)",
    "the last words": "_log_destroy_pending = False",
}
LIES = {"Future": LIES_OF_FUTURES, "Task": LIES_OF_TASKS}

LYING = """
import _asyncio, json, os, sys, types
import traceback

def lying(kind, lie):
    namespace = {"base": vars(_asyncio)[kind], "lies": lie}
    exec(f"class {kind}(base):\\n    __slots__ = ()\\n    {lie}", namespace)
    return namespace[kind]

def in_a_fork(kind, lie):
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            true = vars(_asyncio)[kind]
            def lie_to_ironloop(): setattr(_asyncio, kind, lying(kind, lie))
            result = what_is_ours(lie_to_ironloop, lambda: setattr(_asyncio, kind, true))
            from ironloop._ironloop import misfit
            assert misfit != "size"
        except BaseException:
            result = traceback.format_exc()
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as result:
        said = json.load(result)
    os.wait()
    return said

results = {}
for kind, lies in LIES.items():
    for name, lie in lies.items():
        results[f"{kind}: {name}"] = in_a_fork(kind, lie)
print(json.dumps(results))
"""


def test_a_field_that_is_elsewhere_leaves_tasks_and_futures_to_asyncio(tmp_path):
    """Python says something else of each than what stands in the fields: as if they were elsewhere."""
    results = outcome(tmp_path, f"LIES = {LIES!r}\n{LYING}")
    assert results == dict.fromkeys(results, ONLY_THE_LOOP)
    assert len(results) == len(LIES_OF_FUTURES) + len(LIES_OF_TASKS)


def test_pure_python_futures_are_left_to_asyncio(tmp_path):
    source = """
import json, asyncio, _asyncio
def prepare():
    _asyncio.Future, _asyncio.Task = asyncio.futures._PyFuture, asyncio.tasks._PyTask
print(json.dumps(what_is_ours(prepare, int)))
"""
    assert outcome(tmp_path, source) == ONLY_THE_LOOP
