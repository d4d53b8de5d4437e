"""pytest's `--ironloop-seeds` and `--ironloop-replay`: whoever runs async tests runs them in simulations."""

import json
import re

import pytest
from conftest import needs_ironloop
from test_pytest_plugin import run_pytest

pytestmark = needs_ironloop

# Two tasks that wake at the same time, and a test that works only if the first is the first. An hour passes.
RACE = """\
import asyncio
import time
import unittest
import pytest

async def race():
    pieces = []
    async def write():
        await asyncio.sleep(3600)
        pieces.append(1)
    async def read():
        await asyncio.sleep(3600)
        assert pieces == [1], "too early"
    await asyncio.gather(write(), read())

async def holds():
    runs.append(asyncio.get_running_loop().time())
    begun = time.monotonic()
    await asyncio.sleep(3600)
    assert time.monotonic() - begun >= 3600

runs = []
"""

PYTEST_ASYNCIO = """
import pytest_asyncio

@pytest_asyncio.fixture
async def slow():
    await asyncio.sleep(60)
    yield
    await asyncio.sleep(60)

@pytest.mark.asyncio
async def test_race(slow):
    await race()

@pytest.mark.asyncio
async def test_holds(slow):
    await holds()
"""

SHARED_LOOP = """
pytestmark = pytest.mark.asyncio(loop_scope="module")

async def test_race():
    await race()

async def test_holds():
    await holds()
"""

ANYIO = """
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def slow():
    await asyncio.sleep(60)
    yield
    await asyncio.sleep(60)

async def test_race(slow):
    await race()

async def test_holds(slow):
    await holds()
"""

AIOHTTP = """
pytest_plugins = "aiohttp.pytest_plugin"

async def test_race(loop):
    await race()

async def test_holds(loop):
    await holds()
"""

UNITTEST = """
class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        await asyncio.sleep(60)

    async def test_race(self):
        await race()

    async def test_holds(self):
        await holds()
"""

BY_ITSELF = """
def test_race():
    asyncio.run(race())

def test_holds():
    asyncio.run(holds())
"""

COUNTED = """
def test_how_often():
    assert len(runs) == 25
"""


@pytest.mark.parametrize(
    ("test", "options"),
    [
        (PYTEST_ASYNCIO, ["-p", "no:anyio"]),
        (SHARED_LOOP, ["-p", "no:anyio"]),
        (ANYIO, ["-p", "no:asyncio"]),
        (AIOHTTP, ["-p", "no:asyncio", "-p", "no:anyio", "-W", "ignore"]),
        (UNITTEST, []),
        (BY_ITSELF, []),
    ],
    ids=["asyncio", "shared loop", "anyio", "aiohttp", "unittest", "by itself"],
)
def test_whoever_runs_async_tests_runs_them_by_seeds(test, options, tmp_path):
    output = run_pytest(tmp_path, RACE + test + COUNTED, "--ironloop-seeds=25", *options)
    assert "1 failed, 2 passed" in output, output
    assert "too early" in output and "fails with 1 deviation " in output, output
    assert "read() 1 raised AssertionError" in output and "differs first in step" in output, output
    (command,) = re.findall(r"to play it again: pytest (.*)", output)
    node, replay = command.replace("'", "").split()
    assert "test_race" in node
    again = run_pytest(tmp_path, RACE + test, replay, "-k", "test_race", *options)
    assert "1 failed" in again and "too early" in again and "fails with 1 deviation" in again, again


def test_what_makes_no_loop_runs_once_and_fails_as_it_is(tmp_path):
    test = """
def test_fails():
    runs.append(1)
    assert False, "at once"

def test_skips():
    pytest.skip("not here")

def test_ran_once():
    assert len(runs) == 1
"""
    output = run_pytest(tmp_path, RACE + test, "--ironloop-seeds=25")
    assert "1 failed, 1 passed, 1 skipped" in output and "deviation" not in output, output


def test_a_failure_that_is_expected_is_one_by_whichever_seed(tmp_path):
    test = """
@pytest.mark.xfail(strict=True)
def test_race():
    asyncio.run(race())

@pytest.mark.xfail(strict=True)
def test_holds():
    asyncio.run(holds())
"""
    output = run_pytest(tmp_path, RACE + test, "--ironloop-seeds=25")
    assert "1 failed, 1 xfailed" in output and "XPASS(strict)" in output, output


def test_a_mark_says_how_often_and_in_which_order(tmp_path):
    test = """
@pytest.mark.ironloop(seeds=3, order="tasks")
def test_few():
    asyncio.run(holds())

@pytest.mark.ironloop(seeds=0)
def test_none():
    asyncio.run(asyncio.sleep(0))
    runs.append("none")

def test_usual():
    asyncio.run(holds())

def test_ran():
    assert len(runs) == 3 + 1 + 5
"""
    output = run_pytest(tmp_path, RACE + test, ini="ironloop_seeds = 5\n")
    assert "4 passed" in output, output


def test_tests_of_simulate_follow_the_command_line(tmp_path):
    test = """
import ironloop

@ironloop.simulate(seeds=1000)
async def test_it():
    await holds()

def test_ran():
    assert len(runs) == 7
"""
    output = run_pytest(tmp_path, RACE + test, "--ironloop-seeds=7")
    assert "2 passed" in output, output
    test = "import ironloop\n\n@ironloop.simulate(seeds=50)\nasync def test_race():\n    await race()\n"
    output = run_pytest(tmp_path, RACE + test)
    # In the report, and where CI is set in pytest's summary, which is not cut there.
    (word,) = set(re.findall(r"replay='(.*?)'", output))
    output = run_pytest(tmp_path, RACE + test, f"--ironloop-replay={word}")
    assert "1 failed" in output and f"simulated with replay='{word}': fails with 1 deviation" in output, (
        output
    )


def test_a_word_that_is_none_and_a_mark_that_is_wrong(tmp_path):
    output = run_pytest(tmp_path, RACE, "--ironloop-replay=tasks-!")
    assert "not a replay of a simulation: 'tasks-!'" in output, output
    test = "@pytest.mark.ironloop(seed=3)\ndef test_it(): pass\n"
    output = run_pytest(tmp_path, RACE + test, "--ironloop-seeds=2")
    assert "mark.ironloop takes seeds and order" in output, output


def test_a_deadlock_is_a_failure_that_names_who_waits(tmp_path):
    test = """
async def lock_twice():
    lock = asyncio.Lock()
    async with lock:
        async with lock:
            pass

def test_it():
    asyncio.run(lock_twice())
"""
    output = run_pytest(tmp_path, RACE + test, "--ironloop-seeds=2")
    assert "1 failed" in output and "nothing will ever happen again" in output, output
    assert "in lock_twice, for lock <ironloop.Lock object" in output, output


def test_a_replay_leaves_its_page(tmp_path):
    test = RACE + BY_ITSELF
    output = run_pytest(tmp_path, test, "--ironloop-seeds=25", "-k", "race")
    (word,) = re.findall(r"--ironloop-replay=(\S+)", output)
    page = tmp_path / "run.json"
    output = run_pytest(tmp_path, test, f"--ironloop-replay={word}", f"--ironloop-trace={page}", "-k", "race")
    assert f"the trace is in {page}" in output, output
    assert [path.name for path in tmp_path.glob("run*")] == ["run.json"]
    assert "race" in page.read_text()
    # It shows the simulation's time.
    moments = [event["ts"] for event in json.loads(page.read_text())["traceEvents"] if "ts" in event]
    assert 3600 <= (max(moments) - min(moments)) / 1e6 < 3700
    output = run_pytest(tmp_path, test, f"--ironloop-trace={page}")
    assert "give --ironloop-replay, too" in output, output
