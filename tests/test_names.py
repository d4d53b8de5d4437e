"""ironloop's objects behind asyncio's own names: put there, dispatching on the loop, and restored."""

import asyncio
import concurrent.futures
import contextlib
import functools
import gc
import importlib
import inspect
import pickle
import sys
import threading
import typing
import weakref
from unittest import mock

import pytest
from conftest import needs_ironloop
from programs import run_program
from support import PATIENCE

pytestmark = needs_ironloop

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


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """Whatever a test does, asyncio is as before. Tests say themselves where nothing is to be native."""
    monkeypatch.delenv("IRONLOOP_NATIVE", raising=False)
    before = every_name()
    yield
    after = every_name()
    assert [key for key in before if after[key] is not before[key]] == []


@pytest.fixture
def installed():
    import ironloop

    ironloop.install(native=True)
    yield
    ironloop.uninstall()


def run(main):
    import ironloop

    return ironloop.run(main, native=True)


def run_stock(main):
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(main)


@pytest.mark.parametrize("name", FUNCTIONS + CLASSES)
def test_each_name_is_ironloops_for_the_time_of_a_run(name):
    import ironloop

    ours = getattr(ironloop, name)
    assert ours is not STOCK[name]
    module = importlib.import_module(STOCK[name].__module__)

    async def main():
        assert getattr(asyncio, name) is ours
        assert getattr(module, name) is ours

    run(main())
    assert getattr(asyncio, name) is STOCK[name]
    assert getattr(module, name) is STOCK[name]


@pytest.mark.parametrize("name", ["run_coroutine_threadsafe", "to_thread"])
def test_some_are_asyncios(installed, name):
    import ironloop

    assert getattr(ironloop, name) is getattr(asyncio, name)


def test_other_modules_that_have_a_name_get_it_too(installed):
    import ironloop

    assert asyncio.streams.sleep is ironloop.sleep


def test_install_and_uninstall_once_each():
    import ironloop

    ironloop.install(native=True)
    ironloop.install(native=True)
    assert asyncio.sleep is ironloop.sleep
    ironloop.uninstall()
    assert asyncio.sleep is STOCK["sleep"]
    ironloop.uninstall()
    assert asyncio.sleep is STOCK["sleep"]


def test_runs_inside_of_an_installation_change_nothing(installed):
    import ironloop

    run(asyncio.sleep(0))
    assert asyncio.sleep is ironloop.sleep


def test_a_run_that_outlives_the_installation():
    import ironloop

    async def main():
        ironloop.uninstall()
        assert asyncio.sleep is ironloop.sleep

    ironloop.install(native=True)
    run(main())


def test_nested_runs():
    import ironloop

    async def outer():
        assert ironloop.run(inner(), native=True) == "inner"
        assert asyncio.sleep is ironloop.sleep

    async def inner():
        await asyncio.sleep(0)
        return "inner"

    factory = functools.partial(ironloop.new_event_loop, nested=True)
    with ironloop.Runner(loop_factory=factory, native=True) as runner:
        runner.run(outer())


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_an_error_restores_the_names(error):
    async def main():
        await asyncio.sleep(0)
        raise error

    with pytest.raises(error):
        run(main())
    assert asyncio.sleep is STOCK["sleep"]


def test_what_is_no_coroutine_restores_the_names():
    with pytest.raises((TypeError, ValueError)):
        run(17)
    assert asyncio.sleep is STOCK["sleep"]


def test_a_runner_has_the_names_until_it_is_closed():
    import ironloop

    runner = ironloop.Runner(native=True)
    assert isinstance(runner, asyncio.Runner)
    assert asyncio.sleep is STOCK["sleep"]
    with runner:
        assert asyncio.sleep is ironloop.sleep
        assert type(runner.get_loop()) is ironloop.Loop
        assert [runner.run(asyncio.sleep(0, number)) for number in range(3)] == [0, 1, 2]
        assert asyncio.sleep is ironloop.sleep
    assert asyncio.sleep is STOCK["sleep"]
    runner.close()


def by_runner(make, main):
    with asyncio.Runner(loop_factory=make) as runner:
        return runner.run(main)


def by_itself(make, main):
    with contextlib.closing(make()) as loop:
        return loop.run_until_complete(main)


def forever(make, main):
    with contextlib.closing(make()) as loop:
        task = loop.create_task(main)
        task.add_done_callback(lambda _: loop.stop())
        loop.run_forever()
        return task.result()


def in_a_thread(make, main):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(by_runner, make, main).result()


def as_a_loop_of_its_own_class(make, main):
    import ironloop

    class Own(ironloop.Loop):
        pass

    native = {} if make is ironloop.new_event_loop else make.keywords
    return by_itself(functools.partial(Own, **native), main)


def nested(make, main):
    return by_itself(functools.partial(make, nested=True), main)


each_way = pytest.mark.parametrize(
    "run_by", [by_runner, by_itself, forever, in_a_thread, as_a_loop_of_its_own_class, nested]
)


@each_way
def test_a_loop_has_the_names_however_it_came_to_run(run_by):
    import ironloop

    kinds = run_by(ironloop.new_event_loop, exercise())
    assert {kind.__module__ for kind in kinds} == {"ironloop"}
    assert asyncio.sleep is STOCK["sleep"]


@each_way
def test_unless_it_was_made_without(run_by):
    import ironloop

    kinds = run_by(functools.partial(ironloop.new_event_loop, native=False), exercise())
    assert {kind.__module__.split(".")[0] for kind in kinds} == {"asyncio"}


@pytest.mark.parametrize("native", [True, False])
def test_a_runner_has_the_last_word_on_a_factorys_loop(native):
    import ironloop

    factory = functools.partial(ironloop.new_event_loop, native=not native)
    expected = "ironloop" if native else "asyncio"
    kinds = ironloop.run(exercise(), loop_factory=factory, native=native)
    assert {kind.__module__.split(".")[0] for kind in kinds} == {expected}
    kinds = ironloop.run(exercise(), loop_factory=factory)
    assert expected not in {kind.__module__.split(".")[0] for kind in kinds}
    assert asyncio.sleep is STOCK["sleep"]


def test_names_last_from_the_making_of_a_loop_to_its_end():
    import ironloop

    first = ironloop.new_event_loop(native=True)
    # What is made before the run is ours too.
    assert type(asyncio.Queue()) is ironloop.Queue
    second = ironloop.new_event_loop(native=True)
    first.close()
    first.close()
    assert asyncio.sleep is ironloop.sleep
    assert second.run_until_complete(asyncio.sleep(0, 5)) == 5
    assert asyncio.sleep is ironloop.sleep
    second.close()
    assert asyncio.sleep is STOCK["sleep"]


def test_a_loop_that_nobody_closes():
    import ironloop

    loop = ironloop.new_event_loop(native=True)
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del loop
        gc.collect()
    assert asyncio.sleep is STOCK["sleep"]


def test_a_loop_that_nobody_closes_before_the_end():
    code = """
import asyncio, ironloop
loop = ironloop.new_event_loop()
kept = [loop, asyncio.sleep]
loop.kept = kept
print(loop.run_until_complete(asyncio.sleep(0, "done")))
"""
    done = run_program([sys.executable, "-c", code])
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_another_loop_beside_one_that_is_only_open():
    import ironloop

    with contextlib.closing(ironloop.new_event_loop(native=True)):
        kinds = run_stock(exercise())
        assert {kind.__module__.split(".")[0] for kind in kinds} == {"asyncio"}


def test_a_patch_inside_of_a_run_that_ends_after_it():
    """As fixtures do: what they put back then is ours, which on asyncio's loop is asyncio's."""
    import ironloop

    patched = mock.patch("asyncio.sleep")

    async def main():
        patched.start()
        await asyncio.sleep(3600)

    by_runner(ironloop.new_event_loop, main())
    patched.stop()
    assert asyncio.sleep is ironloop.sleep
    run_stock(sleep_for_a_turn())
    by_runner(ironloop.new_event_loop, sleep_for_a_turn())
    assert asyncio.sleep is STOCK["sleep"]


def test_off():
    import ironloop

    async def main():
        assert asyncio.sleep is STOCK["sleep"]
        assert type(asyncio.current_task()) is asyncio.Task
        assert type(asyncio.get_running_loop().create_future()) is asyncio.Future
        return isinstance(asyncio.get_running_loop(), ironloop.Loop)

    assert ironloop.run(main(), native=False)
    with ironloop.Runner(native=False) as runner:
        assert runner.run(main())
    with asyncio.Runner(loop_factory=functools.partial(ironloop.new_event_loop, native=False)) as runner:
        assert runner.run(main())
    ironloop.install(native=False)
    try:
        assert asyncio.run(main())
    finally:
        ironloop.uninstall()


@pytest.mark.parametrize(("value", "native"), [(None, True), ("1", True), ("0", False)])
def test_off_by_the_environment(value, native):
    code = """
import asyncio, ironloop
stock = asyncio.sleep
async def main():
    print(asyncio.sleep is not stock, type(asyncio.current_task()) is not asyncio.Task)
ironloop.run(main())
ironloop.install()
asyncio.run(main())
"""
    variables = {} if value is None else {"IRONLOOP_NATIVE": value}
    done = run_program([sys.executable, "-c", code], **variables)
    assert done.stdout == f"{native} {native}\n" * 2, done.stderr


def test_install_takes_the_latest_word():
    import ironloop

    ironloop.install(native=False)
    ironloop.install(native=True)
    assert asyncio.sleep is ironloop.sleep
    ironloop.install(native=False)
    assert asyncio.sleep is STOCK["sleep"]
    ironloop.uninstall()


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


async def sleep_for_a_turn():
    await asyncio.sleep(0)


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
