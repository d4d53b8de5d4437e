"""ironloop's plugin for pytest, by the name `ironloop`: which tests run on its loop.

It stands beside the package and imports it only if asked to: whoever has ironloop installed and tests
something else pays nothing for it. What runs tests in simulations is `ironloop.simulator.testing`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ironloop")
    group.addoption(
        "--ironloop", action="store_true", help="run on ironloop all that makes its loop by asyncio's names"
    )
    group.addoption(
        "--ironloop-both",
        action="store_true",
        help="run each test of pytest-asyncio twice, on the loops of these names: asyncio, ironloop",
    )
    group.addoption(
        "--ironloop-seeds",
        type=int,
        metavar="N",
        help="run each test that makes a loop in N simulations, until one fails; 0: in none",
    )
    group.addoption(
        "--ironloop-order",
        choices=["asyncio", "tasks"],
        help="which orders a simulation tries: those of asyncio, or the steps of tasks in any order as well",
    )
    group.addoption(
        "--ironloop-replay", metavar="WORD", help="play a simulation again, by the word of its report"
    )
    group.addoption(
        "--ironloop-trace",
        metavar="FILE",
        help="with --ironloop-replay: leave what happened as a page, run.html",
    )
    parser.addini("ironloop", "as --ironloop", type="bool", default=False)
    parser.addini("ironloop_seeds", "as --ironloop-seeds, where that is not given", default="")


# Before any conftest.py is imported: what that takes from asyncio by name is ironloop's.
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    options = early_config.known_args_namespace
    wanted = options.ironloop or early_config.getini("ironloop") or _simulates(early_config, options)
    if not wanted or options.ironloop_both or os.environ.get("IRONLOOP") == "0":
        return
    import ironloop

    ironloop.install()
    if not os.environ.get("IRONLOOP"):
        early_config.add_cleanup(ironloop.uninstall)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "ironloop(seeds=…, order=…): how a test is simulated, under --ironloop-seeds; seeds=0: it is not",
    )
    _configure_simulations(config)
    if config.option.ironloop_both:
        if not config.pluginmanager.hasplugin("asyncio"):
            raise pytest.UsageError("--ironloop-both is for tests of pytest-asyncio, which is not there")
        config.pluginmanager.register(_BothLoops(), "ironloop-both")


def _simulates(config: pytest.Config, options: Any) -> bool:
    if options.ironloop_replay is not None:
        return True
    if options.ironloop_seeds is not None:
        return bool(options.ironloop_seeds)
    return config.getini("ironloop_seeds") not in ("", "0")


def _configure_simulations(config: pytest.Config) -> None:
    options = config.option
    if options.ironloop_trace is not None:
        if options.ironloop_replay is None:
            raise pytest.UsageError("--ironloop-trace is for one run: give --ironloop-replay, too")
        from ironloop.watch_command import trace

        trace(options.ironloop_trace)
    if _simulates(config, options) and os.environ.get("IRONLOOP") != "0":
        from ironloop.simulator.testing import plugin

        config.pluginmanager.register(plugin(config), "ironloop-simulated")


class _BothLoops:
    """What pytest-asyncio asks for the loops of its tests. What a conftest.py says goes before it."""

    @pytest.hookimpl(trylast=True)
    def pytest_asyncio_loop_factories(self) -> dict[str, Callable[[], Any]]:
        import ironloop

        return {"asyncio": asyncio.SelectorEventLoop, "ironloop": ironloop.new_event_loop}
