"""ironloop's plugin for pytest: nothing without its options, and with them the loop and nothing else."""

import sys
from importlib.metadata import entry_points

import pytest
from conftest import needs_ironloop
from programs import run_program

pytestmark = needs_ironloop

PYTEST_ASYNCIO = """\
import asyncio
import pytest

seen = []

@pytest.mark.asyncio
async def test_it():
    await asyncio.sleep(0)
    seen.append(type(asyncio.get_running_loop()).__module__)
    print("on", seen)
"""

ANYIO = """\
import asyncio
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"

async def test_it():
    print("on", type(asyncio.get_running_loop()).__module__)
"""

UNITTEST = """\
import asyncio
import unittest

class Case(unittest.IsolatedAsyncioTestCase):
    async def test_it(self):
        print("on", type(asyncio.get_running_loop()).__module__)
"""


def run_pytest(folder, test, *arguments, ini="", conftest="", **variables):
    (folder / "test_inner.py").write_text(test)
    (folder / "conftest.py").write_text(conftest)
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}")
    known = any(entry.name == "ironloop" for entry in entry_points(group="pytest11"))
    plain = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:looptime_plugin", "-p", "no:ddtrace"]
    plain += [] if known else ["-p", "_ironloop_pytest"]
    done = run_program([sys.executable, "-m", "pytest", *plain, *arguments], cwd=folder, **variables)
    return done.stdout + done.stderr


@pytest.mark.parametrize("test", [PYTEST_ASYNCIO, ANYIO, UNITTEST], ids=["asyncio", "anyio", "unittest"])
def test_all_that_runs_asyncio_runs_on_ironloop(test, tmp_path):
    output = run_pytest(tmp_path, test, "--ironloop")
    assert "on ironloop" in output.replace("['", "") and "1 passed" in output, output


def test_without_its_option_it_does_nothing(tmp_path):
    test = UNITTEST + "\n    def test_nothing_is_imported(self):\n        import sys\n"
    test += "        self.assertNotIn('ironloop', sys.modules)\n"
    output = run_pytest(tmp_path, test)
    assert "on asyncio" in output and "2 passed" in output, output


def test_the_setting(tmp_path):
    output = run_pytest(tmp_path, UNITTEST, ini="ironloop = true\n")
    assert "on ironloop" in output and "1 passed" in output, output


def test_ironloop_0_goes_before_it(tmp_path):
    output = run_pytest(tmp_path, UNITTEST, "--ironloop", IRONLOOP="0")
    assert "on asyncio" in output and "1 passed" in output, output


def test_what_a_conftest_imports_by_name_is_ironloops(tmp_path):
    output = run_pytest(
        tmp_path, UNITTEST, "--ironloop", conftest="from asyncio import Queue\nprint('queue of', Queue)\n"
    )
    assert "queue of <class 'ironloop.Queue'>" in output, output


def test_each_test_of_pytest_asyncio_on_both_by_name(tmp_path):
    output = run_pytest(tmp_path, PYTEST_ASYNCIO, "--ironloop-both", "-p", "no:anyio", "-vv")
    assert "test_it[asyncio]" in output and "test_it[ironloop]" in output, output
    assert "2 passed" in output and "['asyncio.unix_events', 'ironloop']" in output, output


def test_a_conftest_knows_better_which_loops(tmp_path):
    conftest = "import asyncio\n\ndef pytest_asyncio_loop_factories(config, item):\n"
    conftest += "    return {'plain': asyncio.SelectorEventLoop}\n"
    output = run_pytest(tmp_path, PYTEST_ASYNCIO, "--ironloop-both", "-p", "no:anyio", conftest=conftest)
    assert "['asyncio.unix_events']" in output and "1 passed" in output, output


def test_both_without_pytest_asyncio(tmp_path):
    output = run_pytest(tmp_path, UNITTEST, "--ironloop-both", "-p", "no:asyncio")
    assert "is for tests of pytest-asyncio" in output, output
