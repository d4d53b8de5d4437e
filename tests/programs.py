"""Runs whole programs in processes of their own, several at a time: most of them mainly sleep."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 120.0

# How Python shows warnings if nobody says otherwise. Debug builds show all then.
DEFAULT_WARNINGS = (
    "ignore::ResourceWarning,ignore::ImportWarning,ignore::PendingDeprecationWarning,ignore::DeprecationWarning,"
    "default::DeprecationWarning:__main__"
)


def command_for(loop_name: str) -> list[str]:
    """The command that runs an unmodified program on that loop: append the program's path."""
    return [sys.executable] if loop_name == "asyncio" else [sys.executable, "-m", "ironloop"]


def clean_environment(**variables: str) -> dict[str, str]:
    """The environment without what would change a program's behaviour: proxies, debug switches, buffering."""
    unwanted = ("proxy", "python", "no_color", "force_color")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not any(word in name.lower() for word in unwanted)
    }
    own = {"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    if hasattr(sys, "gettotalrefcount"):
        own["PYTHONWARNINGS"] = DEFAULT_WARNINGS
    return {**kept, **own, **variables}


def run_program(
    command: Sequence[str | Path], cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """One program to its end; subprocess.TimeoutExpired after TIMEOUT seconds."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
    )


def run_programs(
    commands: Mapping[str, Sequence[str | Path]], at_once: int, **variables: str
) -> dict[str, subprocess.CompletedProcess[str]]:
    """All of them, ``at_once`` at a time; the outcome of each under its name."""
    with ThreadPoolExecutor(at_once) as pool:
        running = {name: pool.submit(run_program, command, **variables) for name, command in commands.items()}
    return {name: future.result() for name, future in running.items()}
