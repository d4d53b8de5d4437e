"""A pytest plugin, `-p references`: runs the tests again and again, and nothing may become more each time.

For debug builds of Python, which count references: `make refleaks`. As in CPython's own suite (`-R`), the
first rounds may fill caches; it is a leak if each of those that follow leaves references behind. ``--each``
does it test by test, and so names those that leak.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

WARM_UP = 4
ROUNDS = 4

# These leave references with asyncio's loop as well.
NOT_OURS = {"test_an_unclosed_transport_warns_when_it_goes_and_kills_the_child"}


def references() -> int:
    """All there are, but for those of garbage and of the interpreter's caches."""
    clear = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
    clear()
    for _ in range(3):
        gc.collect()
    return sys.gettotalrefcount()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--each", action="store_true", help="count for each test, and not for all together")


class References:
    """Runs the tests of a session in rounds."""

    def __init__(self) -> None:
        self.failed = False
        self.leaks: list[tuple[str, list[int]]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        session.items = [item for item in session.items if item.originalname not in NOT_OURS]
        for name, items in self._parts(session):
            growth = list(self._growth(items, reporter))
            if self.failed:
                break
            if min(growth) > 0:
                self.leaks.append((name, growth))
        session.testsfailed += len(self.leaks)
        return True

    def _parts(self, session: pytest.Session) -> list[tuple[str, list[pytest.Item]]]:
        if session.config.getoption("--each"):
            return [(item.nodeid, [item]) for item in session.items]
        return [("all tests together", session.items)] if session.items else []

    def _growth(self, items: list[pytest.Item], reporter: pytest.TerminalReporter) -> Iterator[int]:
        """How many references each round has left, after the first ones."""
        before = 0
        for number in range(WARM_UP + ROUNDS):
            for item, following in zip(items, [*items[1:], None], strict=True):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                item._report_sections.clear()
            if self.failed:
                return
            # Reports of tests that have passed, kept for the summary.
            reporter.stats.clear()
            now = references()
            if number >= WARM_UP:
                yield now - before
            before = now

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name, growth in self.leaks:
            terminalreporter.write_line(f"references: {name} leaves {growth} in {ROUNDS} rounds", red=True)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(sys, "gettotalrefcount"):
        raise pytest.UsageError("only a debug build of Python counts references")
    config.pluginmanager.register(References(), "reference-counting")
