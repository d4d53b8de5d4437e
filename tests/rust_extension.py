"""Extension modules, built as an author would build them, once for all Pythons."""

from __future__ import annotations

import asyncio
import faulthandler
import functools
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
# One for all of them: they have most of their crates in common.
TARGET = ROOT / "target" / "door"


def build(
    name: str = "door_extension", crate: Path = ROOT / "tests" / "door" / "extension", release: bool = False
) -> ModuleType:
    """Builds and imports it. Skips where there is no cargo, or a Python without the stable ABI.

    The name is the module's, within its package if it has one: ``fetch._fetch``; then the package comes back.
    """
    package = name.rpartition(".")[0]
    if name in sys.modules:
        return sys.modules[package or name]
    _need()
    folder = installed(name, crate, release)
    sys.path.insert(0, str(folder))
    try:
        importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
    return sys.modules[package or name]


@functools.cache
def build_compat(which: str) -> ModuleType:
    """That of ``door/compat_extension``: with what it is written for (``real``), or ours (``patched``)."""
    _need()
    name = f"compat_{which}"
    path = installed(name, ROOT / "tests" / "door" / "compat_extension" / which) / f"{name}.abi3.so"
    # Of one name, and so not to be imported by it.
    spec = importlib.util.spec_from_file_location("compat_extension", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _need() -> None:
    if shutil.which("cargo") is None:
        pytest.skip("no cargo", allow_module_level=True)
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("a free-threaded Python takes no abi3 module", allow_module_level=True)


def installed(name: str, crate: Path, release: bool = False) -> Path:
    """A folder for ``sys.path``, as a wheel would fill it."""
    # What ironloop itself is built with, in some of the environments.
    others = ("PYO3_PYTHON", "RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR")
    environment = {key: value for key, value in os.environ.items() if key not in others}
    environment |= {"PYO3_NO_PYTHON": "1", "PYO3_BUILD_EXTENSION_MODULE": "1"}
    # The first build on a busy machine takes longer than pytest lets a test hang.
    faulthandler.cancel_dump_traceback_later()
    command = ["cargo", "build", "--quiet", "--manifest-path", crate / "Cargo.toml", "--target-dir", TARGET]
    subprocess.run([*command, *(["--release"] if release else [])], check=True, env=environment)
    package, _, library = name.rpartition(".")
    profile = "release" if release else "debug"
    folder = TARGET / f"{profile}-{name}"
    if package:
        shutil.copytree(crate / "python", folder, dirs_exist_ok=True)
    (folder / package).mkdir(parents=True, exist_ok=True)
    # Put there at once: another Python's tests may have it loaded, or load it just now.
    new = folder / f"{library}.{os.getpid()}"
    shutil.copy2(TARGET / profile / f"lib{library}.so", new)
    new.replace(folder / package / f"{library}.abi3.so")
    return folder


def loops() -> list[str]:
    """For tests that take one loop after the other: no uvloop for some Pythons."""
    return [name for name in ("ironloop", "asyncio", "uvloop") if importlib.util.find_spec(name)]


def new_loop(name: str) -> asyncio.AbstractEventLoop:
    """One of these."""
    return (
        asyncio.SelectorEventLoop() if name == "asyncio" else importlib.import_module(name).new_event_loop()
    )


def run_program(loop_name: str, setup: str, body: str, count: int = 1, says: str = "") -> str:
    """Runs a program in a process of its own, which has ``run`` of that loop; it has to end well, each time.

    ``setup`` gets it the extension. On stderr it may say what ``says`` matches. What it prints comes back.
    """
    program = f"import asyncio, os, sys, threading\nimport {loop_name}\nrun = {loop_name}.run\n"
    command = [sys.executable, "-W", "ignore", "-c", program + setup + textwrap.dedent(body)]
    for _ in range(count):
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(says, done.stderr, re.DOTALL), done.stderr
    return done.stdout
