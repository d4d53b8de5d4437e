"""Real tools that wrap asyncio's names, make its tasks, or look at them from outside, in processes."""

import contextlib
import importlib.util
import shutil
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from conftest import needs_ironloop
from programs import TIMEOUT, clean_environment, command_for, run_program

pytestmark = needs_ironloop

PROGRAMS = Path(__file__).parent / "tool_programs"

WHO = ("ironloop", "tool")
each_order = pytest.mark.parametrize(
    ("comes_first", "goes_first"), [(comes, goes) for comes in WHO for goes in WHO]
)


def needs(module):
    """The requirements leave a tool out where it does not run on this Python."""
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"no {module} for this Python")


def run(program, *words, **variables):
    done = run_program([sys.executable, PROGRAMS / program, *words], **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split("\n")[-2]


@needs("opentelemetry")
@each_order
def test_opentelemetry(comes_first, goes_first):
    assert run("opentelemetry_traces.py", comes_first, goes_first) == "as before"


@needs("ddtrace")
@each_order
def test_datadog(comes_first, goes_first):
    no_agent = {"DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false", "DD_REMOTE_CONFIGURATION_ENABLED": "false"}
    assert run("datadog_traces.py", comes_first, goes_first, **no_agent) == "as before"


@needs("sentry_sdk")
def test_sentry(loop_name):
    assert run("sentry_reports.py", loop_name) == "reported"


@needs("aiomonitor")
@pytest.mark.parametrize("tasks", ["made by aiomonitor", "made by the loop"])
def test_aiomonitor(loop_name, tasks):
    assert run("aiomonitor_watches.py", loop_name, tasks) == "watched"


@needs("looptime")
def test_looptime(loop_name):
    assert run("looptime_jumps.py", loop_name) == "jumped"


@needs("aiotools")
def test_aiotools(loop_name):
    assert run("aiotools_jumps.py", loop_name) == "jumped"


@needs("nest_asyncio")
@pytest.mark.parametrize("tool", ["nest_asyncio", "nest_asyncio2"])
def test_nest_asyncio(loop_name, tool):
    if tool == "nest_asyncio" and sys.version_info >= (3, 14):
        pytest.skip("its tasks are never the current one from Python 3.14 on")
    assert run("nests.py", loop_name, tool) == "nested"


@contextlib.contextmanager
def tasks_that_wait(loop_name):
    command = [*command_for(loop_name), PROGRAMS / "tasks_wait.py"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=clean_environment(), **pipes) as program:
        assert program.stdout.readline() == "ready\n"
        yield program.pid
        program.communicate(timeout=TIMEOUT)
    assert program.returncode == 0


def look_at(pid, how):
    done = run_program([sys.executable, "-m", "asyncio", how, str(pid)])
    if done.returncode and "ermission" in done.stderr + done.stdout:
        pytest.skip("one process may not look into another here")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def awaiters(table):
    """Who waits for whom in the table that `ps` prints: the names of a task and of the one that awaits it."""
    lines = table.splitlines()
    header = next(line for line in lines if "task name" in line)
    name = slice(header.index("task name"), header.index("coroutine stack"))
    rows = [line for line in lines[lines.index(header) + 2 :] if line.strip()]
    # Long stacks push the columns behind them to the right.
    named = {row.split()[1]: row[name].strip() for row in rows}
    return {(row[name].strip(), named.get(row.split()[-1])) for row in rows}


@pytest.mark.skipif(sys.version_info < (3, 14), reason="came with Python 3.14")
def test_asyncio_ps():
    seen = {}
    for loop_name in ("asyncio", "ironloop"):
        with tasks_that_wait(loop_name) as pid:
            seen[loop_name] = awaiters(look_at(pid, "ps"))
    assert ("in the group", "with a group") in seen["asyncio"]
    assert seen["ironloop"] == seen["asyncio"]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="came with Python 3.14")
def test_asyncio_pstree(loop_name):
    with tasks_that_wait(loop_name) as pid:
        tree = look_at(pid, "pstree")
    names = ("outermost", "with a group", "in the group", "asleep")
    positions = [tree.index(f"(T) {name}") for name in names]
    assert positions[0] < positions[1] < positions[2]
    assert "innermost" in tree


PY_SPY = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")


@pytest.mark.skipif(PY_SPY is None, reason="no py-spy for this Python")
def test_py_spy_unwinds_native_frames(loop_name):
    with tasks_that_wait(loop_name) as pid:
        done = run_program([PY_SPY, "dump", "--native", "--pid", str(pid)])
    if done.returncode and "ermission" in done.stderr:
        pytest.skip("one process may not look into another here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(tasks_wait.py" in done.stdout
    assert ("_ironloop" in done.stdout) == (loop_name == "ironloop")


def segments(path):
    """What is loaded of a library: whether it is code, and its first and last page in the file."""
    data = path.read_bytes()
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for position in range(table, table + size * count, size):
        kind, flags, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, position)
        if kind == 1:  # PT_LOAD
            yield bool(flags & 1), offset // 4096, (offset + length - 1) // 4096


@pytest.mark.skipif(sysconfig.get_config_var("SIZEOF_VOID_P") != 8, reason="reads 64-bit libraries")
def test_code_shares_no_page_of_the_file():
    """py-spy finds an address in such a page in two places, and now and then takes the wrong one."""
    from ironloop import _ironloop

    loaded = list(segments(Path(_ironloop.__file__)))
    [(first, last)] = [pages for is_code, *pages in loaded if is_code]
    others = [pages for is_code, *pages in loaded if not is_code]
    assert others
    assert all(end < first or start > last for start, end in others)
