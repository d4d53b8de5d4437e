"""What one gets, and what is in the way: `ironloop --doctor`, for a bug report or a first look.

It asks and changes nothing: each question is answered by looking, or by a system call that fails at once. It
runs in the process that asks, so a program may call `examine` where its tools are all in place. (In a
sub-interpreter ironloop cannot be imported, and the error of the import says so.)
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import json
import os
import platform
import sys
import sysconfig
import warnings
from collections.abc import Callable
from typing import Any

from ironloop import names, private
from ironloop._ironloop import __version__, misfit, tls_path, tls_path_reason
from ironloop.loop import Loop
from ironloop.runner import new_event_loop

# Numbers that all of Linux's newer architectures share.
_OPENAT2, _EPOLL_PWAIT2 = 437, 441


def examine() -> dict[str, Any]:
    """All that `--doctor` says, as what `--json` prints; `in_the_way` is a list of sentences."""
    report: dict[str, Any] = {
        "ironloop": {"version": __version__, "file": os.path.dirname(os.path.abspath(__file__))},
        "python": _python(),
        "doors": _doors(),
        "vocabulary": {
            "native": private.is_wanted(),
            "replaced": _replaced(),
            "gone": list(private.obstacles),
            "layout": misfit or "fits",
        },
        "tls": _tls(),
        "kernel": _kernel(),
        "environment": _environment(),
    }
    report["in_the_way"] = _in_the_way(report)
    return report


def main(arguments: list[str]) -> int:
    """Prints the report; 1 if anything is in the way, 2 for arguments that it does not know."""
    if arguments not in ([], ["--json"]):
        print("usage: ironloop --doctor [--json]", file=sys.stderr)
        return 2
    report = examine()
    print(json.dumps(report, indent=2) if arguments else _as_text(report))
    return 1 if report["in_the_way"] else 0


def _python() -> dict[str, Any]:
    return {
        "version": platform.python_version(),
        "executable": sys.executable,
        "debug_build": hasattr(sys, "gettotalrefcount"),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip() or "unknown",
    }


def _doors() -> dict[str, str]:
    """Which class of loop each way to one makes, here and now."""
    doors: dict[str, Callable[[], Any]] = {
        "ironloop.run": new_event_loop,
        "asyncio.run": asyncio.new_event_loop,
    }
    if uvloop := sys.modules.get("uvloop"):
        doors["uvloop.run"] = uvloop.new_event_loop
    return {door: _made_by(make) for door, make in doors.items()}


def _made_by(make: Callable[[], Any]) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loop = make()
        loop.close()
    except Exception as error:
        return f"fails: {error!r}"
    return _name_of(type(loop))


def _replaced() -> dict[str, str]:
    """asyncio's names behind which stands what is neither asyncio's nor ours: some tool's."""
    import ironloop

    replaced = {}
    for name, stock in names._STOCK.items():
        held = vars(asyncio).get(name, stock)
        if held is not stock and held is not vars(ironloop).get(name, stock):
            replaced[f"asyncio.{name}"] = _name_of(held)
    return replaced


def _name_of(what: Any) -> str:
    """Where it is defined, below what it may be wrapped in."""
    own = what if isinstance(what, type) else inspect.unwrap(what)
    shown = own if hasattr(own, "__qualname__") else type(own)
    name = f"{shown.__module__}.{shown.__qualname__}"
    return name if own is what else f"{name}, wrapped by {_name_of(type(what))}"


def _tls() -> dict[str, Any]:
    try:
        import ssl
    except ImportError as error:
        return {"path": "none", "reason": str(error), "openssl": None}
    return {"path": tls_path(), "reason": tls_path_reason(), "openssl": ssl.OPENSSL_VERSION}


def _kernel() -> dict[str, str]:
    """What of the kernel the loop and files use where it is there: "yes", "no: …", or "not known: …"."""
    return {
        "epoll": _asked(_epoll),
        "eventfd": _asked(lambda: os.close(os.eventfd(0))),
        "epoll_pwait2": _asked(lambda: _call(_EPOLL_PWAIT2, -1, None, 0, None, None, 0), errno.EBADF),
        "pidfd": _asked(lambda: os.close(os.pidfd_open(os.getpid(), 0))),
        "preadv2 RWF_NOWAIT": _asked(_read_at_once, errno.EAGAIN),
        "openat2": _asked(lambda: _call(_OPENAT2, -1, None, None, 0), errno.EINVAL, errno.EFAULT),
        "io_uring": "not used",
    }


def _asked(ask: Callable[[], object], *answers: int) -> str:
    """`answers` are errors that only a kernel gives that knows the call."""
    try:
        ask()
    except (AttributeError, ImportError):
        # It may be built without ctypes, or against old headers.
        return "not known: this Python cannot ask"
    except OSError as error:
        if error.errno in answers:
            return "yes"
        if error.errno == errno.ENOSYS:
            return "no: the kernel is too old"
        if error.errno in (errno.EPERM, errno.EACCES):
            return "no: refused (seccomp, or the like)"
        return f"no: {error.strerror}"
    return "yes"


def _epoll() -> None:
    import select

    select.epoll().close()


def _read_at_once() -> None:
    with open(__file__, "rb") as file:
        os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)


def _call(number: int, *arguments: Any) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _environment() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name.startswith("IRONLOOP")}
    theirs = ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE")
    return ours | {name: os.environ[name] for name in theirs if name in os.environ}


def _in_the_way(report: dict[str, Any]) -> list[str]:
    found = [f"asyncio is not what ironloop knows: {name} is gone or changed" for name in private.obstacles]
    if private.gone_from_loop:
        found.append("so the loop is asyncio's own")
    if report["environment"].get("IRONLOOP") == "0":
        found.append("IRONLOOP=0: not even `ironloop PROGRAM` takes over")
    if report["environment"].get(private.VARIABLE) == "0":
        found.append("IRONLOOP_NATIVE=0: tasks, queues, locks and streams are asyncio's")
    found += _of_others()
    if report["python"]["debug_build"]:
        found.append("a debug build of Python: everything takes several times as long")
    if report["python"]["free_threaded"]:
        found.append("a free-threaded build of Python: importing ironloop turns its lock on")
    if sys.flags.dev_mode or "PYTHONASYNCIODEBUG" in report["environment"]:
        found.append("asyncio's debug mode is on (-X dev, PYTHONASYNCIODEBUG): slow, and TLS copies more")
    tls = report["tls"]
    if tls["openssl"] is None:
        found.append(f"this Python has no TLS: {tls['reason']}")
    elif tls["path"] == "asyncio":
        found.append(f"TLS is asyncio's: {tls['reason']}")
    found += [
        f"{name}: {state}; what used it takes another way"
        for name, state in report["kernel"].items()
        if state.startswith("no:")
    ]
    return found


def _of_others() -> list[str]:
    """What other packages have done in this process."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        policy = type(asyncio.get_event_loop_policy())
    if policy.__module__.split(".")[0] not in ("asyncio", "ironloop"):
        found.append(
            f"another event loop policy is set, {_name_of(policy)}: asyncio.run uses its loop; "
            "ironloop.run does not"
        )
    running = asyncio._get_running_loop()
    if running is not None and not isinstance(running, Loop):
        found.append(f"another loop runs in this thread, {_name_of(type(running))}")
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and any(
        gevent.is_module_patched(name) for name in ("socket", "select", "threading")
    ):
        found.append("gevent has patched sockets or threads: a loop's thread cannot wait by itself")
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and any(map(eventlet.is_monkey_patched, ("socket", "select", "thread"))):
        found.append("eventlet has patched sockets or threads: a loop's thread cannot wait by itself")
    if hasattr(asyncio, "_nest_patched"):
        found.append("nest_asyncio has patched asyncio: ironloop.new_event_loop(nested=True) does without")
    if sys.gettrace() is not None or sys.getprofile() is not None:
        found.append("a tracer or profiler is called at each call: a debugger, or coverage")
    return found


def _as_text(report: dict[str, Any]) -> str:
    python, tls, vocabulary = report["python"], report["tls"], report["vocabulary"]
    rows = [
        ("ironloop", f"{report['ironloop']['version']}  {report['ironloop']['file']}"),
        ("Python", f"{python['version']}  {python['executable']}"),
        ("system", f"{python['system']}, {python['libc']}"),
        *((door, f"makes {made}") for door, made in report["doors"].items()),
        ("vocabulary", "native" if vocabulary["native"] else "asyncio's"),
        *((name, f"replaced by {by}") for name, by in vocabulary["replaced"].items()),
        ("layout", vocabulary["layout"]),
        ("TLS", f"by {tls['path']}" + (f" ({tls['reason']})" if tls["reason"] else "")),
        ("OpenSSL", tls["openssl"] or "none"),
        *report["kernel"].items(),
        *((name, f"{value!r} in the environment") for name, value in report["environment"].items()),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {text}" for name, text in rows]
    way = report["in_the_way"]
    lines += [
        "",
        "In the way:" if way else "Nothing is in the way.",
        *(f"  - {sentence}" for sentence in way),
    ]
    if not way and not report["doors"]["asyncio.run"].startswith("ironloop"):
        lines.append(
            "asyncio.run is asyncio's until ironloop.install(), or under `ironloop PROGRAM` or IRONLOOP=1."
        )
    return "\n".join(lines)
