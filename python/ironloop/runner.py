"""The front doors: a loop, a run, and ironloop behind asyncio's own names."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Coroutine
from typing import Any, TypeVar

from ironloop.loop import Loop
from ironloop.nesting import NestedLoop

_T = TypeVar("_T")


def new_event_loop(*, nested: bool = False) -> Loop:
    """A new event loop, for `asyncio.Runner(loop_factory=…)` and all that takes such a callable.

    Args:
        nested: whether `loop.run_until_complete` and `ironloop.run` may be called while the loop runs, as
            code in a notebook does, without nest_asyncio.

    (asyncio: new_event_loop)
    """
    return NestedLoop() if nested else Loop()


def run(main: Coroutine[Any, Any, _T], *, debug: bool | None = None) -> _T:
    """Runs a coroutine on a new loop, closes the loop, and returns the result.

    Inside a running loop that is nested (`new_event_loop(nested=True)`) it runs the coroutine on that one,
    whatever `debug` says.

    Args:
        main: the coroutine; its exceptions are raised here.
        debug: whether the loop is in debug mode; None leaves it to `PYTHONASYNCIODEBUG` and `-X dev`.

    Raises:
        RuntimeError: a loop that is not nested runs in this thread already.
        ValueError: `main` is no coroutine (TypeError from Python 3.14 on).

    (asyncio: run)
    """
    running = asyncio._get_running_loop()
    if isinstance(running, NestedLoop):
        if sys.version_info < (3, 14) and not asyncio.iscoroutine(main):
            raise ValueError(f"a coroutine was expected, got {main!r}")
        return running.run_until_complete(main)
    if running is not None:
        main.close()
        raise RuntimeError("ironloop.run() cannot be called from a running event loop")
    with asyncio.Runner(debug=debug, loop_factory=new_event_loop) as runner:
        return runner.run(main)


# The policy that stood before `install`, and the one that `install` has set.
_replaced: tuple[Any, Any] | None = None


def install() -> None:
    """Makes ironloop what `asyncio.run`, `Runner` and `new_event_loop` use, until `uninstall`.

    It sets the event loop policy of the process. Loops that exist already stay what they are.
    """
    global _replaced
    if _replaced is not None and _policy() is _replaced[1]:
        return
    from ironloop.policy import EventLoopPolicy

    before, ours = _policy(), EventLoopPolicy()
    _set_policy(ours)
    _replaced = before, ours


def uninstall() -> None:
    """Takes `install` back. Does nothing if another policy was set since, or ironloop is not installed."""
    global _replaced
    if _replaced is not None and _policy() is _replaced[1]:
        _set_policy(_replaced[0])
    _replaced = None


def _policy() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return asyncio.get_event_loop_policy()


def _set_policy(policy: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(policy)
