"""pytest's tests in simulations: `--ironloop-seeds=N` and `--ironloop-replay=WORD`.

A test whose loop is made by asyncio's names gets a simulation's, whoever makes it: pytest-asyncio, anyio's
plugin, aiohttp's, `IsolatedAsyncioTestCase`, or the test itself by `asyncio.run`. With its fixtures it is run
by many seeds, and reported once: as it passed last, or as the shortest run fails. A test that makes no such
loop is run once. Loops that are made in other threads are no simulation's.

Registered by `_ironloop_pytest`, which has the options. All of it is in the thread that runs the tests.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Generator
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from ironloop import loop as loops
from ironloop.simulator import replays, search
from ironloop.simulator.loop import SimulatedLoop
from ironloop.simulator.search import Enough, Plan
from ironloop.simulator.world import Simulation


class _Failed(Exception):
    """A run fails with no error of its own: a test passes that should not."""


class _Run:
    """One run of a test, with its fixtures, in a simulation."""

    def __init__(self, item: pytest.Item, simulation: Simulation) -> None:
        self.item = item
        self.simulation = simulation
        self.reports: list[pytest.TestReport] = []
        self.loops: list[SimulatedLoop] = []
        self.error: BaseException | None = None
        self._thread = threading.get_ident()

    def make_loop(self) -> SimulatedLoop | None:
        if threading.get_ident() != self._thread:
            return None
        made = self.simulation.new_event_loop()
        self.loops.append(made)
        return made

    def perform(self) -> None:
        # What the runs before it have printed.
        self.item._report_sections.clear()
        with self.simulation._runs():
            # What is the test's own is torn down, what it shares with others is not.
            self.reports += runtestprotocol(self.item, log=False, nextitem=self.item.parent)  # type: ignore[arg-type]
            if any(loop._has_run and not loop.is_closed() for loop in self.loops):
                # A fixture of a wider scope has it. The next seed is another world's.
                self.tear_down(None)

    def tear_down(self, next_item: pytest.Item | None) -> None:
        """Of the fixtures that are shared as well, but for those of the next test."""

        def tear_down() -> None:
            self.item.session._setupstate.teardown_exact(next_item)

        call = pytest.CallInfo.from_call(tear_down, when="teardown")
        if call.excinfo is not None:
            self.reports.append(self.item.ihook.pytest_runtest_makereport(item=self.item, call=call))

    def note(self, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
        if report.failed and self.error is None:
            self.error = call.excinfo.value if call.excinfo is not None else _Failed(report.longreprtext)

    def says_enough(self) -> bool:
        """Whether another seed would tell nothing: it is no simulation, is skipped, or fails as it should."""
        return not self.loops or any(report.skipped for report in self.reports)


class Simulated:
    """The plugin."""

    def __init__(self, config: pytest.Config) -> None:
        options = config.option
        self._seeds: int | None = options.ironloop_seeds
        self._usual_seeds = int(config.getini("ironloop_seeds") or 0)
        self._order = options.ironloop_order
        self._replay: str | None = options.ironloop_replay
        self._trace: str | None = options.ironloop_trace
        # Who debugs a failure wants to be there when it is found.
        self._shrinks = not options.usepdb
        self._run: _Run | None = None
        if self._replay is not None:
            replays.read(self._replay)
        loops.makers.append(self._make_loop)
        search.plans.append(self._follow)

    def pytest_unconfigure(self) -> None:
        loops.makers.remove(self._make_loop)
        search.plans.remove(self._follow)

    def _follow(self, plan: Plan) -> Plan:
        """What becomes of a test's own plan: the command line knows better."""
        return plan._replace(
            seeds=self._seeds or plan.seeds,
            order=self._order or plan.order,
            replay=self._replay or plan.replay,
            shrinks=plan.shrinks and self._shrinks,
            compares=self._trace is None,
        )

    def _plan(self, item: pytest.Item) -> Plan | None:
        """None: it is no simulation."""
        marker = item.get_closest_marker("ironloop")
        asked: dict[str, Any] = dict(marker.kwargs) if marker else {}
        seeds, order = asked.pop("seeds", None), asked.pop("order", "asyncio")
        if asked or (marker and marker.args):
            raise pytest.UsageError(f"{item.nodeid}: mark.ironloop takes seeds and order, by name")
        if seeds == 0:
            return None
        plan = self._follow(Plan(self._usual_seeds if seeds is None else seeds, order))
        return plan if plan.replay is not None or plan.seeds > 0 else None

    def _make_loop(self) -> SimulatedLoop | None:
        return None if self._run is None else self._run.make_loop()

    # What pytest calls

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        # A test that is made by `ironloop.simulate` asks for the plan itself.
        plan = None if hasattr(getattr(item, "obj", None), "_ironloop_simulates") else self._plan(item)
        if plan is None:
            return None
        hooks: Any = item.ihook
        hooks.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._test(item, nextitem, plan):
            hooks.pytest_runtest_logreport(report=report)
        hooks.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if self._run is not None:
            self._run.note(report, call)
        return report

    # A test

    def _test(self, item: pytest.Item, next_item: pytest.Item | None, plan: Plan) -> list[pytest.TestReport]:
        runs: list[_Run] = []

        def once(simulation: Simulation) -> None:
            run = self._run = _Run(item, simulation)
            try:
                run.perform()
            finally:
                self._run = None
            has_failed = any(each.error is not None for each in runs)
            runs[:] = [each for each in runs if each.error is not None] + [run]
            if not has_failed and run.says_enough():
                raise Enough
            if run.error is not None:
                raise run.error

        finding = search.find(once, plan)
        told = runs[-1]
        if finding is not None:
            told = next(run for run in runs if run.error is finding.error)
            report = next(report for report in told.reports if report.failed)
            command = f"pytest {shlex.quote(item.nodeid)} --ironloop-replay={finding.replay}"
            text = f"{finding.summary}\nto play it again: {command}\n{finding.story}"
            report.sections.append(("simulation", text))
        told.tear_down(next_item)
        return told.reports


def plugin(config: pytest.Config) -> Simulated:
    """What `_ironloop_pytest` registers."""
    try:
        return Simulated(config)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
