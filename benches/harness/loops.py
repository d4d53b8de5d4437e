"""Event loops by name: a loop is named after the module whose `new_event_loop` makes it."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

BASELINE = "uvloop"

SUBJECT = "ironloop"
"""The loop that the goals are for."""

LOOPS = ("asyncio", BASELINE, "rloop", SUBJECT)

BEFORE = "before"
"""The subject as it was before a change: the package in a folder of its own."""

_PROBE = """
import importlib, importlib.metadata, platform, sys
name = sys.argv[1]
importlib.import_module(name).new_event_loop().close()
print(platform.python_version() if name == "asyncio" else importlib.metadata.version(name))
"""


class LoopUnavailable(Exception):
    """The loop cannot be made here; the message says why."""


def run(name: str, main: Coroutine[Any, Any, Any]) -> None:
    """Run `main` on a new loop of module `name`, as `asyncio.run` would.

    ironloop is more than a loop: its own `run` puts its vocabulary behind asyncio's names. It is imported
    here and only when asked for, so that another loop's process never sees those.
    """
    module = importlib.import_module(name)
    if name == SUBJECT:
        module.run(main)
        return
    with asyncio.Runner(loop_factory=module.new_event_loop) as runner:
        made_by = type(runner.get_loop()).__module__.partition(".")[0]
        if made_by != name:
            main.close()
            raise RuntimeError(f"{name}.new_event_loop() gave a loop of {made_by}")
        runner.run(main)


def python(name: str, before: Path | None) -> list[str]:
    """The command that runs Python with the loop; `before` is the folder of the package as it was."""
    if name != BEFORE:
        return [sys.executable]
    return ["env", f"PYTHONPATH={before}", sys.executable]


def module(name: str) -> str:
    """The module whose loop it is."""
    return SUBJECT if name == BEFORE else name


def version(name: str, before: Path | None = None) -> str:
    """Version of the loop, asked in a process of its own: a loop that crashes must not take us along.

    Raises LoopUnavailable if it cannot be imported, made and closed.
    """
    command = [*python(name, before), "-c", _PROBE, module(name)]
    try:
        probe = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        raise LoopUnavailable("making a loop takes longer than 30 s") from None
    if probe.returncode:
        reason = probe.stderr.strip().splitlines() or [f"exit code {probe.returncode}"]
        raise LoopUnavailable(reason[-1])
    return probe.stdout.strip()
