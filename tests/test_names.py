"""ironloop's objects behind asyncio's own names: put there by a run, and restored."""

import asyncio
import concurrent.futures
import contextlib
import functools
import gc
import importlib
import sys
from unittest import mock

import pytest
from conftest import needs_ironloop
from names import CLASSES, FUNCTIONS, STOCK, exercise, run, run_stock, sleep_for_a_turn
from programs import run_program

pytestmark = [needs_ironloop, pytest.mark.usefixtures("restored")]


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
