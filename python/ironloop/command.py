"""What `python -m ironloop` does: install ironloop, then be `python`."""

from __future__ import annotations

import builtins
import importlib.machinery
import io
import linecache
import os
import runpy
import sys
import types
from typing import Any, NoReturn

from ironloop._ironloop import __version__
from ironloop.runner import install

_USAGE = """\
usage: python -m ironloop PROGRAM.py [ARG ...]
       python -m ironloop -m MODULE [ARG ...]
       python -m ironloop -c CODE [ARG ...]

Runs an unmodified program with ironloop behind asyncio's own names: run, Runner, new_event_loop; sleep,
gather, Queue, Lock, open_connection… (IRONLOOP_NATIVE=0: only the loop).

  -h, --help     this text
  -V, --version  ironloop's version
"""


def main() -> None:
    """Runs what `sys.argv` asks for, as plain `python` would."""
    arguments = sys.argv[1:]
    match arguments:
        case ["-h" | "--help", *_]:
            print(_USAGE, end="")
        case ["-V" | "--version", *_]:
            print(f"ironloop {__version__}")
        case ["-m", module, *_]:
            sys.argv = arguments[1:]
            _become_main()
            _run(runpy._run_module_as_main, module)
        case ["-c", code, *rest]:
            sys.argv = ["-c", *rest]
            _set_first_path("")
            _run(_execute, code, "<string>", _become_main())
        case [program, *_] if not program.startswith("-"):
            sys.argv = arguments
            _run_program(program)
        case _:
            _refuse(
                f"{arguments[0]}: unknown option, or its argument is missing"
                if arguments
                else "nothing to run"
            )


def _refuse(reason: str) -> NoReturn:
    print(f"{reason}\n{_USAGE}", end="", file=sys.stderr)
    sys.exit(2)


def _run_program(program: str) -> None:
    if os.path.isdir(program) or program.endswith((".zip", ".pyz")):
        # A folder or an archive with a `__main__.py`.
        _set_first_path(os.path.abspath(program))
        _become_main()
        _run(runpy._run_module_as_main, "__main__", False)
        return
    path = os.path.abspath(program)
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        reason = f"[Errno {error.errno}] {error.strerror}"
        print(f"{sys.executable}: can't open file {path!r}: {reason}", file=sys.stderr)
        sys.exit(2)
    _set_first_path(os.path.dirname(os.path.realpath(program)))
    _run(_execute, source, path, _become_main(path))


def _execute(source: str | bytes, file: str, namespace: dict[str, Any]) -> None:
    if isinstance(source, str) and sys.version_info >= (3, 13):
        # Since then tracebacks show the lines of `-c`.
        linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    exec(compile(source, file, "exec", dont_inherit=True), namespace)


def _become_main(file: str | None = None) -> dict[str, Any]:
    """A fresh `__main__` module, whose namespace is the program's: what it pickles is found there again."""
    module = types.ModuleType("__main__")
    namespace = vars(module)
    namespace["__builtins__"] = builtins
    namespace["__loader__"] = importlib.machinery.BuiltinImporter
    if sys.version_info < (3, 14):
        namespace["__annotations__"] = {}
    if file is not None:
        namespace["__file__"] = file
        namespace["__cached__"] = None
        namespace["__loader__"] = importlib.machinery.SourceFileLoader("__main__", file)
    sys.modules["__main__"] = module
    return namespace


def _set_first_path(folder: str) -> None:
    """`python -m` has put the working directory first; a program's own folder belongs there."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _run(function: Any, *arguments: Any) -> None:
    """Runs the program. Its tracebacks begin in it and not in here."""
    install()
    show = sys.excepthook

    def excepthook(
        kind: type[BaseException], error: BaseException, traceback: types.TracebackType | None
    ) -> None:
        inner = _behind_us(traceback)
        show(kind, error.with_traceback(inner), inner)

    sys.excepthook = excepthook
    function(*arguments)


def _behind_us(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """The part of a traceback that is the program's."""
    inner, ours = traceback, False
    while inner is not None and not (ours and inner.tb_frame.f_code.co_filename != __file__):
        ours = ours or inner.tb_frame.f_code.co_filename == __file__
        inner = inner.tb_next
    # An error of a thread, or raised at exit, has not come through here.
    return inner if ours else traceback
