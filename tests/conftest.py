"""Fixtures: the loops under test, and the machinery that runs a test's coroutine on one of them.

Every test of behaviour runs twice, on stock asyncio and on ironloop: it expects what asyncio does. Those of
Rust futures are marked ``three_loops``, and run on uvloop as well. ``IRONLOOP_TEST_LOOPS=asyncio`` (or
``ironloop``) runs one of them, and shows the others as skipped.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import pytest
import rust_extension
import trustme
from names import every_name
from postgres import PostgreSQL
from programs import command_for
from support import socket_pair

LOOPS = ("asyncio", "ironloop")
THREE_LOOPS = (*LOOPS, "uvloop")
CHOSEN = os.environ.get("IRONLOOP_TEST_LOOPS", ",".join(LOOPS)).split(",")

Run = Callable[[Callable[[], Awaitable[Any]]], Any]
Complete = Callable[[Awaitable[Any]], Any]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# Extension modules are built once for all Pythons, so one tries the example; `make fetch` has all of it.
if "IRONLOOP_FETCH" not in os.environ:
    collect_ignore = ["test_elephant.py", "test_fetch_failures.py", "test_rust_extensions.py"]
    collect_ignore += [] if sys.version_info[:2] == (3, 13) else ["test_fetch.py"]

# A shell has its background jobs ignore Ctrl-C, and the programs that the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine holds any loop up, and many tests do so on purpose: only those about it want to hear of it.
os.environ.setdefault("IRONLOOP_BLOCKED", "0")

# For tests that are about ironloop itself and not about a loop.
needs_ironloop = pytest.mark.skipif("ironloop" not in CHOSEN, reason="left out by IRONLOOP_TEST_LOOPS")


def loop_parameters(names: Sequence[str] = LOOPS) -> list[Any]:
    """The loops of these names, both by default, as parameters."""
    left_out = pytest.mark.skip(reason="left out by IRONLOOP_TEST_LOOPS")
    chosen = {*CHOSEN, "uvloop"} if set(CHOSEN) == set(LOOPS) else CHOSEN
    return [pytest.param(name, marks=() if name in chosen else left_out) for name in names]


@pytest.fixture(scope="module", autouse=True)
def collector() -> None:
    """Many tests run the garbage collector, which need not walk all that was imported every time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def loop_name(request: pytest.FixtureRequest) -> str:
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="there is no uvloop for this Python")
    return request.param


# Where TLS is what is tested, ironloop does it by each path that it has.
TLS_MODULES = (
    "test_tls",
    "test_tls_closing",
    "test_tls_contexts",
    "test_tls_costs",
    "test_tls_ending",
    "test_tls_native",
    "test_tls_random",
    "test_tls_upgraded",
    "test_start_tls",
)
TLS_PATHS = ("openssl", "ssl", "asyncio")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__ in TLS_MODULES and "tls_path" in metafunc.fixturenames:
        metafunc.parametrize("tls_path", TLS_PATHS, indirect=True)
    own = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    # Of a module's, or a test's own names.
    is_chosen = hasattr(metafunc.module, "loop_name") or any("loop_name" in names for names in own)
    if "loop_name" in metafunc.fixturenames and not is_chosen:
        names = THREE_LOOPS if metafunc.definition.get_closest_marker("three_loops") else LOOPS
        metafunc.parametrize("loop_name", loop_parameters(names), indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """asyncio has one path."""

    def is_one_too_many(item: pytest.Item) -> bool:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        return parameters.get("loop_name") == "asyncio" and parameters.get("tls_path") in TLS_PATHS[1:]

    items[:] = [item for item in items if not is_one_too_many(item)]


@pytest.fixture
def tls_path(request: pytest.FixtureRequest, loop_name: str) -> Iterator[str]:
    """How TLS is done in this test: ``"asyncio"``, or ironloop's own."""
    if loop_name != "ironloop":
        yield "asyncio"
        return
    from ironloop._ironloop import force_tls_path, tls_path

    force_tls_path(getattr(request, "param", None))
    yield tls_path()
    force_tls_path(None)


@pytest.fixture
def loop_factory(loop_name: str, tls_path: str) -> LoopFactory:
    """Makes a loop of the kind under test; the test closes it."""
    if loop_name == "asyncio":
        return asyncio.SelectorEventLoop
    return importlib.import_module(loop_name).new_event_loop


@pytest.fixture
def loop(loop_factory: LoopFactory) -> Iterator[asyncio.AbstractEventLoop]:
    """A fresh loop that is not running, closed at the end."""
    loop = loop_factory()
    yield loop
    loop.close()


@pytest.fixture
def complete(loop: asyncio.AbstractEventLoop) -> Iterator[Complete]:
    """``complete(awaitable)`` runs the test's one loop until that is done, and returns its result."""
    yield loop.run_until_complete
    if not loop.is_closed():
        loop.run_until_complete(loop.shutdown_asyncgens())


@pytest.fixture(scope="module")
def door() -> ModuleType:
    """The extension module of ``tests/door``; the first test that asks for it may have to build it."""
    return rust_extension.build()


@pytest.fixture
def without_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops are not in debug mode, even where Python is (``-X dev``)."""
    monkeypatch.setattr(asyncio.coroutines, "_is_debug_mode", lambda: False)


@pytest.fixture
def run(loop_factory: LoopFactory) -> Run:
    """``run(main)`` awaits ``main()`` on a fresh loop and returns its result.

    An error that only reached the loop's exception handler fails the test, unless it set its own handler.
    """

    def run_on_fresh_loop(main: Callable[[], Awaitable[Any]]) -> Any:
        unexpected: list[dict[str, Any]] = []

        def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            # Debug mode, in which every loop of Python's development mode is, tells of failed handshakes too.
            if not (loop.get_debug() and context["message"].startswith("Error on transport creation")):
                unexpected.append(context)

        async def watched() -> Any:
            asyncio.get_running_loop().set_exception_handler(note)
            return await main()

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            result = runner.run(watched())
        gc.collect()  # what is reported only when an object goes, belongs to this test
        assert not unexpected
        return result

    return run_on_fresh_loop


@pytest.fixture
def vocabulary(loop_name: str) -> ModuleType:
    """Where the classes and functions of the loop under test are."""
    return importlib.import_module(loop_name)


@pytest.fixture
def streams(loop_name: str) -> ModuleType:
    """The same for streams."""
    return importlib.import_module(f"{loop_name}.streams")


@pytest.fixture
def python(loop_name: str) -> list[str]:
    """The command that runs an unmodified program on the loop under test: append the program's path."""
    return command_for(loop_name)


@pytest.fixture
def installed() -> Iterator[None]:
    """ironloop stands behind asyncio's names."""
    import ironloop

    ironloop.install(native=True)
    yield
    ironloop.uninstall()


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test does, asyncio is as before. Tests say themselves where nothing is to be native."""
    monkeypatch.delenv("IRONLOOP_NATIVE", raising=False)
    before = every_name()
    yield
    after = every_name()
    assert [key for key in before if after[key] is not before[key]] == []


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where a test has its one file."""
    return str(tmp_path / "file")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets, non-blocking."""
    with socket_pair() as ends:
        yield ends


@pytest.fixture
def pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """A pipe's two ends as files: (reading, writing)."""
    reading, writing = os.pipe()
    with open(reading, "rb", 0) as reading_file, open(writing, "wb", 0) as writing_file:
        yield reading_file, writing_file


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that lives as long as this test run."""
    return trustme.CA()


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context, with a certificate for ``localhost`` and 127.0.0.1."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """A client's context that trusts the authority, and only that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """All tests' one: who changes a context makes one of its own."""
    return server_context(authority)


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    """The same for clients."""
    return client_context(authority)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """A private PostgreSQL server, shared by this test run."""
    with PostgreSQL() as server:
        yield server
