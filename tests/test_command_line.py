"""``python -m ironloop``: a program sees and leaves behind what it would with plain ``python``."""

import py_compile
import subprocess
import sys
import zipfile

import pytest
from conftest import needs_ironloop
from programs import TIMEOUT, clean_environment, run_program

pytestmark = needs_ironloop

LOOK = """
import asyncio, os, sys
print(sys.argv, __name__, globals().get("__file__"), sys.path[0])
print(__doc__, __package__, sys.modules["__main__"].__dict__ is globals())
"""

PROGRAMS = {
    "arguments": LOOK,
    "docstring": '"""Text."""\nprint(__doc__)',
    "exit status": "import sys; sys.exit(3)",
    "exit message": "import sys; sys.exit('the message')",
    "exit without a status": "raise SystemExit",
    "exit out of a coroutine": "import asyncio, sys\nasync def main(): sys.exit(4)\nasyncio.run(main())",
    "traceback": "def outer():\n    inner()\n\ndef inner():\n    raise KeyError('gone')\n\nouter()",
    "chained traceback": (
        "def fail():\n    raise KeyError('first')\n\n"
        "try:\n    fail()\nexcept KeyError:\n    raise IndexError('second')"
    ),
    "traceback out of a coroutine": (
        "import asyncio\nasync def main():\n    await inner()\nasync def inner():\n    1 / 0\n"
        "with asyncio.Runner() as runner:\n    runner.run(main())"
    ),
    "exception group": "raise ExceptionGroup('group', [KeyError(1), ValueError(2)])",
    "syntax error": "def broken(:\n    pass",
    "recursion": "def f(): f()\ntry:\n    f()\nexcept RecursionError:\n    print('caught')",
    "atexit and threads": (
        "import atexit, threading\natexit.register(print, 'at exit')\n"
        "def outlive():\n    threading.main_thread().join()\n    print('thread')\n"
        "threading.Thread(target=outlive).start()\nprint('main')"
    ),
    "pickle of its own class": (
        "import pickle\nclass Own: pass\nprint(type(pickle.loads(pickle.dumps(Own()))) is Own)"
    ),
    "spawned process": (
        "import multiprocessing\ndef square(n): return n * n\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(square, [1, 2, 3]))"
    ),
    "sibling module": "import sibling\nprint(sibling.name)",
    "dataclasses and typing of __main__": (
        "import dataclasses, typing\n@dataclasses.dataclass\nclass Own:\n    other: 'Own | None' = None\n"
        "print(typing.get_type_hints(Own))"
    ),
    "future import": "from __future__ import annotations\ndef f(x: undefined_name): pass\nprint('ok')",
    "latin-1": "# -*- coding: latin-1 -*-\nprint(len('\xe9'))",
    "own excepthook": "import sys\nsys.excepthook = lambda kind, *rest: print('hook', kind.__name__)\n1 / 0",
    "os._exit": "import os, sys\nprint('x', flush=True)\nos._exit(7)",
}


def both(tmp_path, *arguments, **variables):
    """The same arguments with plain python and with ironloop: (return code, output, errors) of each."""
    outcomes = []
    for python in ([sys.executable], [sys.executable, "-m", "ironloop"]):
        done = run_program([*python, *arguments], cwd=tmp_path, **variables)
        outcomes.append((done.returncode, done.stdout, done.stderr))
    return outcomes


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(tmp_path, name):
    encoding = "latin-1" if name == "latin-1" else "utf-8"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "program.py").write_text(PROGRAMS[name], encoding=encoding)
    (tmp_path / "folder" / "sibling.py").write_text("name = __name__")
    plain, ironloop = both(tmp_path, "folder/program.py", "one", "-m", "--two")
    assert ironloop == plain


@pytest.mark.parametrize("name", ["arguments", "exit status", "traceback", "chained traceback"])
def test_code_on_the_command_line(tmp_path, name):
    plain, ironloop = both(tmp_path, "-c", PROGRAMS[name], "one", "-m", "--two")
    assert ironloop == plain


@pytest.mark.parametrize("name", ["arguments", "exit status", "traceback", "syntax error"])
@pytest.mark.parametrize("module", ["module", "package", "package.inner"])
def test_modules(tmp_path, name, module):
    package = tmp_path / "package"
    package.mkdir()
    (tmp_path / "module.py").write_text(PROGRAMS[name])
    (package / "__init__.py").write_text("print('package', __name__)")
    (package / "__main__.py").write_text(
        "from . import inner\nprint(__package__, __spec__.name)\n" + PROGRAMS[name]
    )
    (package / "inner.py").write_text("print(__name__)" if module == "package" else PROGRAMS[name])
    plain, ironloop = both(tmp_path, "-m", module, "one", "-c", "--two")
    assert ironloop == plain


def test_folders_and_archives(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "__main__.py").write_text("import sibling\n" + LOOK)
    (folder / "sibling.py").write_text("")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    for path in ("folder", "archive.zip"):
        plain, ironloop = both(tmp_path, path, "one")
        assert ironloop == plain
        assert plain[0] == 0


# What tells one run of Python from another in what LOOK prints.
LOADER = """
print(sorted(globals()), globals().get("__cached__"), type(__loader__))
"""


@pytest.mark.parametrize("name", ["arguments", "exit status", "traceback", "own excepthook"])
@pytest.mark.parametrize("file", ["program.pyc", "program"])
def test_compiled_programs(tmp_path, name, file):
    (tmp_path / "program.py").write_text(PROGRAMS[name] + LOADER)
    py_compile.compile(tmp_path / "program.py", cfile=tmp_path / file, doraise=True)
    plain, ironloop = both(tmp_path, file, "one", "-m")
    assert ironloop == plain
    assert "magic" not in plain[2]


def test_a_compiled_program_of_another_python(tmp_path):
    (tmp_path / "program.pyc").write_bytes(b"\x01\x02\r\n" + bytes(12))
    plain, ironloop = both(tmp_path, "program.pyc")
    assert ironloop[0] == plain[0] == 1
    assert ironloop[2].splitlines()[-1] == plain[2].splitlines()[-1]
    assert "magic" in plain[2]


@pytest.mark.parametrize(
    "name", ["arguments", "docstring", "exit status", "traceback", "syntax error", "own excepthook"]
)
def test_a_program_out_of_standard_input(tmp_path, name):
    source = (PROGRAMS[name] + LOADER).encode()
    outcomes = []
    for python in ([sys.executable], [sys.executable, "-m", "ironloop"]):
        done = subprocess.run(
            [*python, "-", "one", "-m"],
            input=source,
            capture_output=True,
            cwd=tmp_path,
            env=clean_environment(),
            timeout=TIMEOUT,
        )
        outcomes.append((done.returncode, done.stdout, done.stderr))
    assert outcomes[1] == outcomes[0]


def test_an_archive_by_any_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr("__main__.py", LOOK)
    plain, ironloop = both(tmp_path, "archive", "one")
    assert ironloop == plain
    assert plain[0] == 0


def test_an_interactive_console(tmp_path):
    code = "import asyncio, sys\nprint(type(asyncio.get_running_loop()).__module__, file=sys.stderr)\n"
    done = subprocess.run(
        [sys.executable, "-m", "ironloop", "-m", "asyncio"],
        input=code,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=clean_environment(),
        timeout=TIMEOUT,
    )
    assert "ironloop" in done.stderr.split()


@pytest.mark.parametrize(
    "arguments",
    [
        ["no_such_file.py"],
        ["-m", "no_such_module"],
        ["-m", "no.such.module"],
        ["-c", "1 +"],
        ["empty"],
        ["no_archive.zip"],
    ],
)
def test_what_cannot_be_run(tmp_path, arguments):
    (tmp_path / "empty").mkdir()
    plain, ironloop = both(tmp_path, *arguments)
    assert ironloop[0] == plain[0] != 0
    assert ironloop[1] == plain[1] == ""
    assert ironloop[2].splitlines()[-1] == plain[2].splitlines()[-1]


def test_it_puts_ironloop_behind_asyncio(tmp_path):
    code = """
import asyncio
async def main():
    return type(asyncio.get_running_loop()).__module__
def module_of(loop):
    loop.close()
    return type(loop).__module__
names = [asyncio.run(main()), module_of(asyncio.new_event_loop())]
with asyncio.Runner() as runner:
    names.append(runner.run(main()))
print(names)
"""
    done = run_program([sys.executable, "-m", "ironloop", "-c", code])
    assert done.stdout == "['ironloop', 'ironloop', 'ironloop']\n", done.stderr


def test_help_and_version():
    helped = run_program([sys.executable, "-m", "ironloop", "--help"])
    assert helped.returncode == 0
    assert helped.stdout.startswith("usage: ")
    version = run_program([sys.executable, "-m", "ironloop", "--version"])
    assert version.returncode == 0
    assert "0." in version.stdout


def test_nothing_to_run_is_an_error():
    done = run_program([sys.executable, "-m", "ironloop"])
    assert done.returncode != 0
    assert "usage: " in done.stderr


def test_a_program_reads_standard_input(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("print(input().upper())")
    done = subprocess.run(
        [sys.executable, "-m", "ironloop", program],
        input="typed\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "TYPED\n"
