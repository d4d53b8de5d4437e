"""Who takes part, by name: event loops, each named after the module that makes it, and peers in TLS."""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

BASELINE = "uvloop"

SUBJECT = "ironloop"
"""The loop that the goals are for."""

AIOFASTNET = "aiofastnet"
"""No loop, but transports for one: here for the baseline, as its documentation has it."""

RUSTLS = "rustls"
"""No Python either: the bare server with another TLS library, for information."""

FALLBACK = "ironloop-ssl"
"""The subject as its TLS is where OpenSSL's functions cannot be had: by the `ssl` module's methods."""

RECORDED = "ironloop-recorded"
"""The subject while it is recorded, as `top` would have it."""

IN_TLS_ONLY = (FALLBACK, AIOFASTNET, RUSTLS)

WITHOUT_TLS = ("rloop",)

PARTICIPANTS = ("asyncio", BASELINE, "rloop", "blazio", SUBJECT, *IN_TLS_ONLY)
"""Those of a run that names none: the loops that others lead by."""

FURTHER = ("rsloop", "zloop", "veloxloop", RECORDED)
"""Those that take part when they are named."""

BARE = "bare"
"""No loop of asyncio's: the bare server in Rust, and for tasks the bare loop in C."""

BEFORE = "before"
"""The subject as it was before a change: the package in a folder of its own."""

_PROBE = """
import importlib, importlib.metadata, platform, sys
name, *wanted = sys.argv[1:]
module = importlib.import_module(name)
if hasattr(module, "new_event_loop"):
    module.new_event_loop().close()
for name in wanted:
    getattr(importlib.import_module("ironloop._ironloop"), name)
name = module.__name__
print(platform.python_version() if name == "asyncio" else importlib.metadata.version(name))
"""

LOCK_FILE = Path(__file__).parent.parent.parent / "Cargo.lock"


class LoopUnavailable(Exception):
    """The loop cannot be made here; the message says why."""


def run(name: str, main: Coroutine[Any, Any, Any]) -> None:
    """Run `main` on a new loop of module `name`, as `asyncio.run` would.

    ironloop is more than a loop: its own `run` puts its vocabulary behind asyncio's names. It is imported
    here and only when asked for, so that another loop's process never sees those.
    """
    if name == FALLBACK:
        importlib.import_module(f"{SUBJECT}._ironloop").force_tls_path("ssl")
    if name == RECORDED:
        os.environ["IRONLOOP_WATCH"] = "1"
    if name in (SUBJECT, FALLBACK, RECORDED):
        importlib.import_module(SUBJECT).run(main)
        return
    made_for = BASELINE if name == AIOFASTNET else name
    with asyncio.Runner(loop_factory=_factory(name)) as runner:
        made_by = type(runner.get_loop()).__module__.partition(".")[0]
        if made_by != made_for:
            main.close()
            raise RuntimeError(f"{made_for}.new_event_loop() gave a loop of {made_by}")
        runner.run(main)


def _factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == AIOFASTNET:
        base = importlib.import_module(BASELINE)
        return importlib.import_module(name).loop_factory(base.new_event_loop)
    return importlib.import_module(name).new_event_loop


def python(name: str, before: Path | None) -> list[str]:
    """The command that runs Python with the loop; `before` is the folder of the package as it was."""
    if name != BEFORE:
        return [sys.executable]
    assert before is not None
    return python_with(before)


def python_with(folder: Path) -> list[str]:
    """The command that runs Python with the modules of a folder."""
    return ["env", f"PYTHONPATH={folder}", sys.executable]


def module(name: str) -> str:
    """The module whose loop it is."""
    return SUBJECT if name == BEFORE else name


def version(name: str, before: Path | None = None) -> str:
    """Version of a participant, asked in a process of its own: a loop that crashes must not take us along.

    Raises LoopUnavailable if it cannot be imported, made and closed.
    """
    if name == RUSTLS:
        packages = tomllib.loads(LOCK_FILE.read_text())["package"]
        return next(package["version"] for package in packages if package["name"] == RUSTLS)
    probed = {FALLBACK: [SUBJECT, "force_tls_path"], RECORDED: [SUBJECT]}.get(name, [module(name)])
    command = [*python(name, before), "-c", _PROBE, *probed]
    try:
        probe = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        raise LoopUnavailable("making a loop takes longer than 30 s") from None
    if probe.returncode:
        reason = probe.stderr.strip().splitlines() or [f"exit code {probe.returncode}"]
        raise LoopUnavailable(reason[-1])
    return probe.stdout.strip()
