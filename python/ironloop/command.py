"""What `python -m ironloop` does: take over, then be `python`."""

from __future__ import annotations

import builtins
import importlib.machinery
import io
import linecache
import marshal
import os
import runpy
import sys
import types
from importlib.util import MAGIC_NUMBER
from pkgutil import get_importer
from typing import Any, NoReturn

from ironloop._ironloop import __version__
from ironloop.takeover import VARIABLE, is_refused, take_over

_USAGE = """\
usage: ironloop …, or:
       python -m ironloop PROGRAM.py [ARG ...]
       python -m ironloop -m MODULE [ARG ...]
       python -m ironloop -c CODE [ARG ...]
       python -m ironloop - [ARG ...]    the program is what standard input gives
       python -m ironloop --trace FILE …     the same, and what it did: run.html, run.perfetto, run.json
       python -m ironloop slow PROGRAM.py    the same in slow motion, drawn: slow --help
       python -m ironloop top | tree | web | metrics [PID]     what a program does that runs now
       python -m ironloop replay FILE    what was recorded; --to run.html: as a page; list: what there is

Runs an unmodified program with ironloop behind asyncio's own names: run, Runner, new_event_loop; sleep,
gather, Queue, Lock, open_connection…; and behind the loops that it names: SelectorEventLoop, EventLoop,
uvloop's. So it is in the Python processes that the program starts, where ironloop is installed: they inherit
IRONLOOP=1, which does the same without this command.

  IRONLOOP=0         nothing of this
  IRONLOOP_NATIVE=0  only the loop
  IRONLOOP_BLOCKED=S a loop that is blocked for S seconds is told on stderr (0.1); off: none is
  IRONLOOP_WATCH=1   record each loop; 0: leave no file by which one could ask for it

  -h, --help     this text
  -V, --version  ironloop's version
  --doctor [--json]  which loop one gets, by which parts, and what is in the way
"""


_VIEWERS = ("top", "tree", "web", "metrics", "replay", "list")


def main() -> None:
    """Runs what `sys.argv` asks for, as plain `python` would."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--trace"] and len(arguments) > 2:
        from ironloop.watch_command import trace

        trace(arguments[1])
        del sys.argv[1:3]
        arguments = sys.argv[1:]
    if arguments[:1] == ["slow"]:
        from ironloop.slow import begin

        arguments = sys.argv[1:] = begin(arguments[1:])
    match arguments:
        case ["-h" | "--help", *_]:
            print(_USAGE, end="")
        case ["-V" | "--version", *_]:
            print(f"ironloop {__version__}")
        case ["--doctor", *rest]:
            from ironloop import doctor

            sys.exit(doctor.main(rest))
        case ["-m", module, *_]:
            sys.argv = arguments[1:]
            _become_main()
            _run(runpy._run_module_as_main, module)
        case ["-c", code, *rest]:
            sys.argv = ["-c", *rest]
            _set_first_path("")
            _run(_execute, code, "<string>", _become_main())
        case ["-", *_]:
            sys.argv = arguments
            _set_first_path("")
            _run(_execute, sys.stdin.buffer.read(), "<stdin>", _become_main("<stdin>"))
        case [command, *_] if command in _VIEWERS:
            from ironloop.watch_command import view

            view(arguments)
        case [program, *_] if not program.startswith("-"):
            sys.argv = arguments
            _run_program(program)
        case _:
            _refuse(
                f"{arguments[0]}: unknown option, or its argument is missing"
                if arguments
                else "nothing to run"
            )


def script() -> None:
    """The same as the console script `ironloop`: what it runs finds modules as under `python -m`."""
    _set_first_path(os.getcwd())
    main()


def _refuse(reason: str) -> NoReturn:
    print(f"{reason}\n{_USAGE}", end="", file=sys.stderr)
    sys.exit(2)


def _run_program(program: str) -> None:
    if get_importer(program) is not None:
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
    if program.endswith(".pyc") or source[:2] == MAGIC_NUMBER[:2]:
        loader: Any = importlib.machinery.SourcelessFileLoader("__main__", path)
        _run(_execute_compiled, source, _become_main(path, loader))
    else:
        loader = importlib.machinery.SourceFileLoader("__main__", path)
        _run(_execute, source, path, _become_main(path, loader))


def _execute(source: str | bytes, file: str, namespace: dict[str, Any]) -> None:
    if isinstance(source, str) and sys.version_info >= (3, 13):
        # Since then tracebacks show the lines of `-c`.
        linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    exec(compile(source, file, "exec", dont_inherit=True), namespace)


def _execute_compiled(compiled: bytes, namespace: dict[str, Any]) -> None:
    if compiled[:4] != MAGIC_NUMBER:
        raise RuntimeError("Bad magic number in .pyc file")
    # After three words more: flags, and of which source it is.
    exec(marshal.loads(compiled[16:]), namespace)


def _become_main(
    file: str | None = None, loader: Any = importlib.machinery.BuiltinImporter
) -> dict[str, Any]:
    """A fresh `__main__` module, whose namespace is the program's: what it pickles is found there again."""
    module = types.ModuleType("__main__")
    namespace = vars(module)
    namespace["__builtins__"] = builtins
    namespace["__loader__"] = loader
    if sys.version_info < (3, 14):
        namespace["__annotations__"] = {}
    if file is not None:
        namespace["__file__"] = file
        if sys.version_info < (3, 15):
            namespace["__cached__"] = None
    sys.modules["__main__"] = module
    return namespace


def _set_first_path(folder: str) -> None:
    """`python -m` has put the working directory first; a program's own folder belongs there."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _run(function: Any, *arguments: Any) -> None:
    """Runs the program. Its tracebacks begin in it and not in here."""
    if not is_refused():
        take_over()
        os.environ[VARIABLE] = "1"
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
