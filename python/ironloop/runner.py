"""The front doors: a loop, a run, and ironloop behind asyncio's own names."""

from __future__ import annotations

import asyncio
import functools
import sys
import warnings
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from ironloop import names
from ironloop.loop import Loop, make_loop
from ironloop.private import gone_from_loop, is_wanted

if TYPE_CHECKING:
    from ironloop._ironloop import VirtualClock

_T = TypeVar("_T")


def new_event_loop(
    *, nested: bool = False, native: bool | None = None, clock: VirtualClock | None = None
) -> Loop:
    """A new event loop, for `asyncio.Runner(loop_factory=…)` and all that takes such a callable.

    Args:
        nested: whether `loop.run_until_complete` and `ironloop.run` may be called while the loop runs, as
            code in a notebook does, without nest_asyncio.
        native: whether tasks, futures and asyncio's names are ironloop's own; False: asyncio's, to compare.
            None leaves it to the environment: `IRONLOOP_NATIVE=0` turns them off.
        clock: the loop's time: an `ironloop.VirtualClock` jumps in the place of waiting. None: the kernel's.

    From now on until the loop is closed, asyncio's names (`asyncio.sleep`, `asyncio.Queue`…) are ironloop's,
    in all threads: each looks at the loop that runs, and is asyncio's own on any other.

    Counterpart: `asyncio.new_event_loop`.
    """
    if gone_from_loop:
        return asyncio.SelectorEventLoop()  # type: ignore[return-value]
    if nested:
        if clock is not None:
            raise ValueError("a nested loop has no clock of its own")
        from ironloop.nesting import NestedLoop

        return NestedLoop(native=native)
    if clock is not None:
        from ironloop.simulator.loop import VirtualLoop

        return VirtualLoop(native=native, clock=clock)
    return make_loop(native=native)


class Runner(asyncio.Runner):
    """Runs coroutines one after another on one loop, which it makes and closes.

    From its first use until it is closed, asyncio's names (`asyncio.sleep`, `asyncio.Queue`…) are ironloop's.
    Counterpart: `asyncio.Runner`.
    """

    __module__ = "ironloop"

    def __init__(
        self,
        *,
        debug: bool | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        native: bool | None = None,
    ) -> None:
        """
        Args:
            debug: whether the loop is in debug mode; None leaves it to `PYTHONASYNCIODEBUG` and `-X dev`.
            loop_factory: makes the loop; None: `ironloop.new_event_loop`.
            native: whether tasks, futures and asyncio's names are ironloop's own; None leaves it to
                `loop_factory` and the environment: `IRONLOOP_NATIVE=0` turns them off.
        """
        make = loop_factory or new_event_loop
        super().__init__(
            debug=debug, loop_factory=make if native is None else functools.partial(_make, make, native)
        )


def _make(loop_factory: Callable[[], asyncio.AbstractEventLoop], native: bool) -> asyncio.AbstractEventLoop:
    loop = loop_factory()
    if isinstance(loop, Loop):
        loop._be_native(native)
    return loop


def run(
    main: Coroutine[Any, Any, _T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    native: bool | None = None,
) -> _T:
    """Runs a coroutine on a new loop, closes the loop, and returns the result.

    Meanwhile asyncio's names (`asyncio.sleep`, `asyncio.Queue`…) are ironloop's, in all threads: each looks
    at the loop that runs, and is asyncio's own on any other. Inside a running loop that is nested
    (`new_event_loop(nested=True)`) it runs the coroutine on that one, whatever `debug` and
    `loop_factory` say.

    Args:
        main: the coroutine; its exceptions are raised here.
        debug: whether the loop is in debug mode; None leaves it to `PYTHONASYNCIODEBUG` and `-X dev`.
        loop_factory: makes the loop; None: `ironloop.new_event_loop`. (asyncio's has it from Python 3.12 on.)
        native: whether tasks, futures and asyncio's names are ironloop's own; None leaves it to
            `loop_factory` and the environment: `IRONLOOP_NATIVE=0` turns them off.

    Raises:
        RuntimeError: a loop that is not nested runs in this thread already. `main` is not closed.
        ValueError: `main` is no coroutine (TypeError from Python 3.14 on).

    Counterpart: `asyncio.run`.
    """
    running = asyncio._get_running_loop()
    if running is not None:
        return _run_inside(running, main)
    with Runner(debug=debug, loop_factory=loop_factory, native=native) as runner:
        return runner.run(main)


def _run_inside(running: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, _T]) -> _T:
    from ironloop.nesting import NestedLoop

    if not isinstance(running, NestedLoop):
        raise RuntimeError("ironloop.run() cannot be called from a running event loop")
    if sys.version_info < (3, 14) and not asyncio.iscoroutine(main):
        raise ValueError(f"a coroutine was expected, got {main!r}")
    return running.run_until_complete(main)


class _Installed:
    """What `install` has done. (To import `dataclasses` for it took a quarter of the import.)"""

    def __init__(self, before: Any, policy: Any, native: bool) -> None:
        self.before = before
        self.policy = policy
        self.native = native


_installed: _Installed | None = None
_leaving: list[Callable[[], object]] = []


def install(*, native: bool | None = None) -> None:
    """Puts ironloop behind asyncio's own names, until `uninstall`.

    `asyncio.run`, `Runner` and `new_event_loop` use its loop (the event loop policy of the process is set),
    and `asyncio.sleep`, `gather`, `Queue`, `Lock`, `open_connection`… are its own where such a loop runs.
    Loops that exist already stay what they are, and have asyncio's.

    Args:
        native: whether tasks, futures and asyncio's names are ironloop's own, or only the loop; None leaves
            it to the environment: `IRONLOOP_NATIVE=0` turns them off.
    """
    global _installed
    wanted = is_wanted(native)
    if _installed is not None:
        if _policy() is _installed.policy and _installed.native == wanted:
            return
        _take_back()
    from ironloop.policy import EventLoopPolicy

    _installed = _Installed(_policy(), EventLoopPolicy(native=native), wanted)
    _set_policy(_installed.policy)
    if wanted:
        names.put()


def uninstall() -> None:
    """Takes `install` back, every name and the policy (unless another one was set since).

    Under `python -m ironloop` and `IRONLOOP=1`, what those have done is taken back too.
    """
    while _leaving:
        _leaving.pop()()
    _take_back()


def on_uninstall(leave: Callable[[], object]) -> None:
    """Has the next `uninstall` take back more."""
    _leaving.append(leave)


def _take_back() -> None:
    global _installed
    if _installed is None:
        return
    undone, _installed = _installed, None
    if undone.native:
        names.restore()
    if _policy() is undone.policy:
        _set_policy(undone.before)


def _policy() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return asyncio.get_event_loop_policy()


def _set_policy(policy: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(policy)
