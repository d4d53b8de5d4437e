"""pytest plugin of `make compat`: chooses the loop that asyncio's names mean, and writes down what happened.

Suites get their loop in many ways (`asyncio.run`, `Runner`, `new_event_loop`, a plugin's fixture, the class
itself): all end in a name of asyncio's, so those names are what we exchange. The report tells which kinds of
loops ran during each test; a suite that came by its loop in yet another way shows there.

`COMPAT_PLAN` names a JSON file, see `sessions.Plan`.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import json
import os
import re
from asyncio import base_events
from pathlib import Path
from typing import Any

import pytest

PLAN = json.loads(Path(os.environ["COMPAT_PLAN"]).read_text())
LOOP_FIXTURES = {"loop", "event_loop"}

# The kinds of loops that ran since the present test began, in this process.
_ran: set[str] = set()


def _watch(loop_class: Any, kind: str) -> None:
    run_forever = loop_class.run_forever

    @functools.wraps(run_forever)
    def watched(self: asyncio.AbstractEventLoop) -> None:
        _ran.add(kind)
        run_forever(self)

    loop_class.run_forever = watched


def _exchange() -> None:
    _watch(base_events.BaseEventLoop, "asyncio")
    if PLAN["loop"] == "ironloop":
        import ironloop

        _watch(ironloop.Loop, "ironloop")
        ironloop.install()
        asyncio.SelectorEventLoop = ironloop.Loop  # type: ignore[assignment]
        if hasattr(asyncio, "EventLoop"):  # from Python 3.13 on
            asyncio.EventLoop = ironloop.Loop
    elif PLAN["loop"] == "uvloop":
        import uvloop

        _watch(uvloop.Loop, "uvloop")
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        asyncio.SelectorEventLoop = uvloop.Loop  # type: ignore[assignment,misc]
        if hasattr(asyncio, "EventLoop"):
            asyncio.EventLoop = uvloop.Loop


# Before any conftest is imported: it may keep what it finds under asyncio's names.
_exchange()


def _wanted(item: pytest.Item) -> bool:
    if PLAN["only"] is not None:
        return item.nodeid in PLAN["only"]
    if PLAN["async_only"] and LOOP_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        function = getattr(item, "obj", None)
        if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
            return False
    return not (PLAN["deselect"] and re.fullmatch(PLAN["deselect"], item.nodeid))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = [item for item in items if _wanted(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


def pytest_collection_finish(session: pytest.Session) -> None:
    # Suites collect garbage after every test: what is here to stay need not be looked at each time.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    _ran.clear()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "teardown":
        report.user_properties.append(("loops", sorted(_ran)))
    return report


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # pytest-xdist's workers send their reports to the controller
        config.pluginmanager.register(_Recorder(Path(PLAN["report"])))


class _Recorder:
    """One line of JSON for each report, written at once: what is known survives a crash."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A test that may fail (xfail) counts as skipped, whatever it did.
        outcome = "skipped" if hasattr(report, "wasxfail") else report.outcome
        loops = dict(report.user_properties).get("loops", []) if report.when == "teardown" else []
        self._write(test=report.nodeid, outcome=outcome, loops=loops, text=report.longreprtext)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write(test=report.nodeid, outcome="failed", loops=[], text=report.longreprtext)

    def _write(self, **entry: Any) -> None:
        self._file.write(json.dumps(entry) + "\n")
