"""ironloop for a whole program that does not name it: `python -m ironloop`, `IRONLOOP=1`, and children."""

import importlib.util
import os
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import needs_ironloop
from programs import TIMEOUT, clean_environment
from programs import run_program as run_any
from support import HOST, PATIENCE

pytestmark = needs_ironloop

PYTHON = [sys.executable]
COMMAND = [sys.executable, "-m", "ironloop"]

# `kinds(loop_factory)`: where the loop's class, a queue's class and a sleep are defined.
KINDS = """
import asyncio
async def look():
    return [type(found).__module__ for found in (asyncio.get_running_loop(), asyncio.Queue(), asyncio.sleep)]
def kinds(loop_factory):
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(look())
"""
OURS = ["ironloop"] * 3
STOCK = ["asyncio.unix_events", "asyncio.queues", "builtins"]

NAMED = {
    "SelectorEventLoop": "print(kinds(asyncio.SelectorEventLoop))",
    "with no selector": "print(kinds(lambda: asyncio.SelectorEventLoop(selector=None)))",
    "of unix_events": "import asyncio.unix_events as u\nprint(kinds(u.SelectorEventLoop))",
    "imported": "from asyncio import SelectorEventLoop\nprint(kinds(SelectorEventLoop))",
    "no policy": "asyncio.set_event_loop_policy(None)\nprint(kinds(asyncio.new_event_loop))",
    "default policy": (
        "asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())\nprint(kinds(asyncio.new_event_loop))"
    ),
    "policy of its own": (
        "class Own(asyncio.DefaultEventLoopPolicy):\n"
        "    def new_event_loop(self):\n        return super().new_event_loop()\n"
        "asyncio.set_event_loop_policy(Own())\nprint(kinds(None))"
    ),
}
if sys.version_info >= (3, 13):
    NAMED["EventLoop"] = "print(kinds(asyncio.EventLoop))"

UVLOOP = {
    "Loop": "print(kinds(uvloop.Loop))",
    "new_event_loop": "from uvloop import new_event_loop\nprint(kinds(new_event_loop))",
    "run": "print(uvloop.run(look()))",
    "install": "uvloop.install()\nprint(kinds(None))",
    "policy": "asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())\nprint(asyncio.run(look()))",
}

# What uvloop's package is made of, on a loop of asyncio's.
LIKE_UVLOOP = """
import asyncio
from asyncio.unix_events import _UnixSelectorEventLoop as _Base
class Loop(_Base):
    pass
def new_event_loop():
    return Loop()
def run(main, *, loop_factory=new_event_loop):
    async def wrapper():
        if not isinstance(asyncio.get_running_loop(), Loop):
            raise TypeError
        return await main
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(wrapper())
class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
    def _loop_factory(self):
        return new_event_loop()
def install():
    asyncio.set_event_loop_policy(EventLoopPolicy())
"""


def run_program(command, **options):
    """Whatever the environment of these tests says, the vocabulary is native."""
    return run_any(command, **{"IRONLOOP_NATIVE": "1", **options})


def run(command, code, cwd=None, **variables):
    """What a program prints; nothing is on stderr."""
    done = run_program([*command, "-c", code], **({} if cwd is None else {"cwd": cwd}), **variables)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture(params=["the command", "the variable"])
def door(request):
    """`door(code, **more)`: what the code prints, run through one of the two doors."""
    if request.param == "the command":
        return lambda code, **more: run(COMMAND, code, **more)
    return lambda code, **more: run(PYTHON, code, IRONLOOP="1", **more)


@pytest.fixture(params=["uvloop", "a package like it"])
def uvloop_folder(request, tmp_path):
    """Where the program runs: its `uvloop` is the real one, or one that stands in its place."""
    if request.param == "a package like it":
        (tmp_path / "uvloop.py").write_text(LIKE_UVLOOP)
    elif importlib.util.find_spec("uvloop") is None:
        pytest.skip("no uvloop in this environment")
    return tmp_path


IGNORE = "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n"


@pytest.mark.parametrize("name", NAMED)
def test_loops_that_a_program_names(door, name):
    assert door(IGNORE + KINDS + NAMED[name]) == f"{OURS}\n"


@pytest.mark.parametrize("name", UVLOOP)
def test_loops_of_uvloop(door, uvloop_folder, name):
    assert door(IGNORE + KINDS + "import uvloop\n" + UVLOOP[name], cwd=uvloop_folder) == f"{OURS}\n"


def test_checks_of_a_loops_class_hold(door, uvloop_folder):
    code = """
import asyncio, ironloop, uvloop
from asyncio.unix_events import _UnixSelectorEventLoop
for make in (asyncio.SelectorEventLoop, asyncio.new_event_loop, uvloop.Loop):
    loop = make()
    print([isinstance(loop, kind) for kind in (make, asyncio.SelectorEventLoop, uvloop.Loop, ironloop.Loop)
           if isinstance(kind, type)])
    loop.close()
theirs = _UnixSelectorEventLoop()
print([isinstance(theirs, kind) for kind in (asyncio.SelectorEventLoop, uvloop.Loop, int)])
print(issubclass(_UnixSelectorEventLoop, asyncio.SelectorEventLoop))
print(issubclass(int, asyncio.SelectorEventLoop))
print(issubclass(asyncio.SelectorEventLoop, asyncio.AbstractEventLoop))
theirs.close()
"""
    assert door(code, cwd=uvloop_folder).splitlines() == [
        "[True, True, True, True]",
        "[True, True, True]",
        "[True, True, True, True]",
        "[True, False, False]",
        "True",
        "False",
        "True",
    ]


def other_loop(name):
    """What is said at the end of a program on nothing but such a loop."""
    return f"ironloop: no loop of ironloop's has run in this program; {name} has\n"


# What a program wants on purpose, and the loop that it runs on in the end.
ON_PURPOSE = {
    "a selector": (
        "import selectors\nprint(kinds(lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())))",
        "asyncio.unix_events._UnixSelectorEventLoop",
    ),
    "a subclass": (
        "turns = []\n"
        "class Own(asyncio.SelectorEventLoop):\n"
        "    def __init__(self, *, name):\n        super().__init__()\n        self.name = name\n"
        "    def _run_once(self):\n        turns.append(self.name)\n        super()._run_once()\n"
        "print(kinds(lambda: Own(name='own')))\nassert 'own' in turns",
        "__main__.Own",
    ),
    "a subclass with abstract bases": (
        "import abc\n"
        "class Mixin(abc.ABC):\n    @abc.abstractmethod\n    def extra(self): ...\n"
        "class Own(Mixin, asyncio.SelectorEventLoop):\n    def extra(self): ...\n"
        "print(kinds(Own))\nassert isinstance(Own, abc.ABCMeta)",
        "__main__.Own",
    ),
    "a private name": (
        "print(kinds(asyncio.unix_events._UnixSelectorEventLoop))",
        "asyncio.unix_events._UnixSelectorEventLoop",
    ),
}


@pytest.mark.parametrize("name", ON_PURPOSE)
@pytest.mark.parametrize("variable", [None, "1"])
def test_what_a_program_wants_on_purpose_it_gets_and_one_line_says_so(name, variable):
    code, loop = ON_PURPOSE[name]
    if variable is None:
        done = run_program([*COMMAND, "-c", KINDS + code])
    else:
        done = run_program([*PYTHON, "-c", KINDS + code], IRONLOOP=variable)
    # Its queues and sleeps are asyncio's: the names look at the loop.
    shown = ["__main__" if loop.startswith("__main__") else STOCK[0], STOCK[1], "ironloop"]
    assert done.stdout == f"{shown}\n", done.stderr
    assert done.stderr == other_loop(loop)


def test_a_subclass_of_uvloops(uvloop_folder):
    code = "import uvloop\nclass Own(uvloop.Loop): pass\nprint(kinds(Own), Own.__mro__[1].__module__)"
    done = run_program([*COMMAND, "-c", KINDS + code], cwd=uvloop_folder)
    assert done.stdout.startswith("['__main__', 'asyncio.queues'")
    assert done.stdout.endswith(" uvloop\n")
    assert done.stderr == other_loop("__main__.Own")


@pytest.mark.parametrize(
    "code",
    [
        "print('no loop at all')",
        "asyncio.new_event_loop().close()",
        "kinds(None)",
        # One of ours is enough, whichever comes first.
        "kinds(asyncio.unix_events._UnixSelectorEventLoop); kinds(None)",
        "kinds(None); kinds(asyncio.unix_events._UnixSelectorEventLoop)",
        "import ironloop; ironloop.uninstall(); kinds(None)",
    ],
)
def test_otherwise_nothing_is_said_at_the_end(door, code):
    door(KINDS + code)


def test_a_forked_child_speaks_for_itself():
    code = """
import os, sys
kinds(asyncio.unix_events._UnixSelectorEventLoop)
pid = os.fork()
if pid == 0:
    sys.exit()
os.waitpid(pid, 0)
kinds(None)
pid = os.fork()
if pid == 0:
    sys.exit()
os.waitpid(pid, 0)
"""
    assert run(COMMAND, KINDS + code) == ""


def test_uninstall_takes_it_back(door, uvloop_folder):
    code = """
import ironloop, uvloop
ironloop.uninstall()
print(kinds(asyncio.SelectorEventLoop))
print(kinds(None))
print(uvloop.Loop.__module__)
asyncio.set_event_loop_policy(None)
print(kinds(None))
"""
    stock = f"{STOCK}\n"
    # A function of Python is of a class of builtins'.
    assert door(IGNORE + KINDS + code, cwd=uvloop_folder) == f"{stock}{stock}uvloop\n{stock}"


def test_uninstall_before_uvloop_is_imported(door, uvloop_folder):
    code = "import ironloop\nironloop.uninstall()\nimport uvloop\nprint(uvloop.Loop.__module__)"
    assert door(code, cwd=uvloop_folder) == "uvloop\n"


def test_uvloop_that_is_not_there(door, tmp_path):
    (tmp_path / "uvloop.py").write_text(LIKE_UVLOOP)
    code = """
import sys
path = list(sys.path)
# Without the environment's packages and the folder of the program.
sys.path[:] = [folder for folder in path if folder and "package" not in folder]
try:
    import uvloop
except ModuleNotFoundError as error:
    print(error)
sys.path[:] = path
import uvloop
print(kinds(uvloop.Loop))
"""
    assert door(KINDS + code, cwd=tmp_path) == f"No module named 'uvloop'\n{OURS}\n"


@pytest.mark.parametrize(
    "first",
    [
        "import asyncio",
        "import asyncio.events",
        "import ironloop",
        "import ironloop.loop",
        "from asyncio import Queue, sleep, SelectorEventLoop",
        "import concurrent.futures, asyncio",
        "import importlib.util; importlib.util.find_spec('asyncio'); import asyncio",
        "import threading; threading.Thread(target=__import__, args=['asyncio']).start()",
    ],
)
def test_the_variable_works_whatever_is_imported_first(first):
    code = f"{first}\n{KINDS}\nprint(kinds(None))\nprint(kinds(asyncio.SelectorEventLoop))"
    assert run(PYTHON, code, IRONLOOP="1") == f"{OURS}\n{OURS}\n"


def test_what_is_imported_by_name_is_ours():
    code = """
from asyncio import Queue, gather, run
async def main():
    print(type(Queue()).__module__, type(gather).__module__)
run(main())
"""
    assert run(PYTHON, code, IRONLOOP="1") == "ironloop ironloop\n"


def test_a_program_without_asyncio_pays_nothing():
    code = "import sys; print([name for name in ('asyncio', 'ironloop', 'socket') if name in sys.modules])"
    assert run(PYTHON, code, IRONLOOP="1") == "[]\n"


@pytest.mark.parametrize("value", [None, "", "0"])
def test_without_the_variable_nothing_is_there(value):
    code = KINDS + "import sys\nprint('_ironloop_start' in sys.modules, kinds(None))"
    assert run(PYTHON, code, **({} if value is None else {"IRONLOOP": value})) == f"False {STOCK}\n"


def test_the_variable_refuses_the_command():
    code = KINDS + "import os\nprint(kinds(None), os.environ['IRONLOOP'])"
    assert run(COMMAND, code, IRONLOOP="0") == f"{STOCK} 0\n"


@pytest.mark.parametrize("command", [COMMAND, PYTHON])
def test_only_the_loop(command):
    code = KINDS + "print(kinds(None), kinds(asyncio.SelectorEventLoop))"
    only = ["ironloop", "asyncio.queues", "builtins"]
    assert run(command, code, IRONLOOP="1", IRONLOOP_NATIVE="0") == f"{only} {only}\n"


def test_an_ironloop_that_cannot_be_imported_is_reported_and_the_program_goes_on(tmp_path):
    (tmp_path / "ironloop.py").write_text("raise ImportError('broken')")
    done = run_program([*PYTHON, "-c", KINDS + "print(kinds(None))"], cwd=tmp_path, IRONLOOP="1")
    assert done.stdout == f"{STOCK}\n"
    assert done.stderr == "ironloop: IRONLOOP is set, and ironloop cannot be imported: broken\n"


@pytest.mark.skipif(sys.version_info < (3, 14), reason="concurrent.interpreters came with Python 3.14")
def test_an_interpreter_beside_the_main_one_stays_with_asyncio():
    code = f"""
from concurrent import interpreters
interpreters.create().exec({KINDS + "print(kinds(None), flush=True)"!r})
print(kinds(None))
"""
    done = run_program([*PYTHON, "-c", KINDS + code], IRONLOOP="1")
    assert done.stdout == f"{STOCK}\n{OURS}\n", done.stderr
    assert done.stderr.startswith("ironloop: IRONLOOP is set, and ironloop cannot be imported: ")
    assert len(done.stderr.splitlines()) == 1


CHILDREN = {
    "multiprocessing spawn": """
import multiprocessing
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    process.join()
""",
    "multiprocessing forkserver": """
import multiprocessing
if __name__ == "__main__":
    process = multiprocessing.get_context("forkserver").Process(target=child)
    process.start()
    process.join()
""",
    "multiprocessing fork": """
import multiprocessing
if __name__ == "__main__":
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
""",
    "a pool": """
import concurrent.futures, multiprocessing
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        pool.submit(child).result()
""",
    "a Python of its own": """
import os, subprocess, sys
if __name__ == "__main__":
    if sys.argv[1:] != ["child"]:
        subprocess.run([sys.executable, __file__, "child"], check=True)
    else:
        child()
""",
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_children(tmp_path, kind):
    program = tmp_path / "program.py"
    program.write_text(
        f"{KINDS}\ndef child():\n    print(kinds(None), kinds(asyncio.SelectorEventLoop), flush=True)\n"
        + CHILDREN[kind]
    )
    for command, variables in ((COMMAND, {}), (PYTHON, {"IRONLOOP": "1"})):
        done = run_program([*command, program], **variables)
        assert (done.stdout, done.stderr) == (f"{OURS} {OURS}\n", "")
    done = run_program([*PYTHON, program])
    assert done.stdout == f"{STOCK} {STOCK}\n"


def answer(url):
    """What a server says, once it listens: with workers its address is known before that."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with opener.open(url, timeout=PATIENCE) as response:
                return response.read().decode()
        except urllib.error.URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


@pytest.mark.parametrize("loop", ["auto", "asyncio", "ironloop:new_event_loop"])
@pytest.mark.parametrize("workers", [1, 2])
def test_uvicorn(loop, workers):
    """It names its loop, and its workers are spawned."""
    command = PYTHON if loop.startswith("ironloop") else COMMAND
    arguments = ["-m", "uvicorn", "uvicorn_app:app", "--host", HOST, "--port", "0", "--no-access-log"]
    with subprocess.Popen(
        [*command, *arguments, "--loop", loop, "--workers", str(workers), "--app-dir", Path(__file__).parent],
        env=clean_environment(IRONLOOP_NATIVE="1"),
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            said = ""
            while "running on" not in said:
                line = server.stderr.readline()
                assert line, f"uvicorn did not start:\n{said}"
                said += line
            url = said.split("running on ")[1].split()[0]
            assert answer(f"{url}/names").split() == OURS
        finally:
            server.terminate()
            said += server.stderr.read()
            server.wait(TIMEOUT)
    assert "ironloop" not in said


def test_unittest_and_pytest_workers_inherit(tmp_path):
    """A test runner that the command runs, with programs that its tests start."""
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent(
            f"""
            import asyncio, subprocess, sys, unittest

            class Case(unittest.IsolatedAsyncioTestCase):
                async def test_it(self):
                    self.assertEqual(type(asyncio.Queue()).__module__, "ironloop")
                    code = {KINDS + "print(kinds(None))"!r}
                    process = await asyncio.create_subprocess_exec(
                        sys.executable, "-c", code, stdout=subprocess.PIPE
                    )
                    printed, _ = await process.communicate()
                    self.assertEqual(printed.decode(), {f"{OURS}{os.linesep}"!r})
            """
        )
    )
    done = run_program([*COMMAND, "-m", "unittest", "test_it"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
