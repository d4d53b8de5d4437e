"""Finds the Pythons on this machine that ironloop supports: for each version the latest patch release.

``IRONLOOP_PYTHONS`` (executables, separated by spaces or colons) replaces the search. Builds with the
interpreter's own assertions (``python3.13-dbg``) are series of their own, for those who ask for them.
Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SUPPORTED = ("3.11", "3.12", "3.13", "3.14", "3.15")

# A venv's interpreter answers for the Python that it was made from.
PROBE = """
import importlib.util, json, os, platform, sys, sysconfig
print(json.dumps({
    "executable": getattr(sys, "_base_executable", sys.executable),
    "version": list(sys.version_info[:3]),
    "cpython": platform.python_implementation() == "CPython",
    "headers": os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "debug": bool(sysconfig.get_config_var("Py_DEBUG")),
    "ensurepip": importlib.util.find_spec("ensurepip") is not None,
}))
"""


@dataclass(frozen=True)
class Python:
    """An interpreter: its real path (never a shim) and what it was installed with."""

    executable: str
    version: tuple[int, int, int]
    headers: bool
    ensurepip: bool
    free_threaded: bool
    debug: bool

    @property
    def series(self) -> str:
        """``3.13`` for 3.13.0, ``3.13t`` for its free-threaded build, ``3.13d`` for its debug build."""
        flags = ("t" if self.free_threaded else "") + ("d" if self.debug else "")
        return f"{self.version[0]}.{self.version[1]}{flags}"


def find_pythons() -> dict[str, Python]:
    """Series to interpreter, oldest first. Of one series the latest that has headers."""
    chosen = os.environ.get("IRONLOOP_PYTHONS")
    candidates = re.split(r"[\s:]+", chosen.strip()) if chosen else _candidates("")
    return _best(candidates, SUPPORTED, chosen=bool(chosen))


def find_debug_builds() -> dict[str, Python]:
    """The same for builds with the interpreter's own assertions."""
    return _best(_candidates("d"), tuple(f"{series}d" for series in SUPPORTED))


def _best(candidates: list[str], wanted: tuple[str, ...], chosen: bool = False) -> dict[str, Python]:
    best: dict[str, Python] = {}
    candidates = list(dict.fromkeys(candidates))
    with ThreadPoolExecutor() as pool:
        probed = list(pool.map(_probe, candidates))
    for candidate, python in zip(candidates, probed, strict=True):
        if python is None:
            if chosen:
                raise SystemExit(f"IRONLOOP_PYTHONS: {candidate} is not a working CPython")
            continue
        if not chosen and python.series not in wanted:
            continue
        other = best.get(python.series)
        if other is None or _rank(python) > _rank(other):
            best[python.series] = python
    return dict(sorted(best.items(), key=lambda item: item[1].version))


def missing(found: dict[str, Python]) -> list[str]:
    """The supported series that were looked for in vain."""
    return [] if "IRONLOOP_PYTHONS" in os.environ else [series for series in SUPPORTED if series not in found]


def _rank(python: Python) -> tuple[bool, tuple[int, int, int], bool]:
    # tools/environments.py does without ensurepip; nobody ships the patch release of two years ago.
    return (python.headers, python.version, python.ensurepip)


def _candidates(flags: str) -> list[str]:
    names = [f"python{series}{flags}" for series in SUPPORTED] + [f"python3{flags}"]
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    on_path = [found for folder in folders for name in names if (found := shutil.which(name, path=folder))]
    versions = Path("~/.pyenv/versions").expanduser()
    pyenv = [str(found) for series in SUPPORTED for found in versions.glob(f"{series}.*/bin/python{flags}")]
    # Newer than what the system brings: unpacked there, by hand or by a script.
    unpacked = Path("~/.cache/ironloop/pythons/usr/bin").expanduser()
    newer = [str(found) for series in SUPPORTED for found in unpacked.glob(f"python{series}{flags}")]
    return [sys.executable, *on_path, *pyenv, *newer]


def _probe(executable: str) -> Python | None:
    """None for what does not run (a pyenv shim of a version that is not chosen) or is not CPython."""
    command = shutil.which(executable)
    if command is None:
        return None
    try:
        answer = subprocess.run([command, "-I", "-c", PROBE], capture_output=True, text=True)
    except OSError:  # it is being installed right now, or made for another machine
        return None
    if answer.returncode:
        return None
    facts = json.loads(answer.stdout)
    if not facts["cpython"]:
        return None
    del facts["cpython"]
    return Python(**{**facts, "version": tuple(facts["version"])})


if __name__ == "__main__":
    for series, python in {**find_pythons(), **find_debug_builds()}.items():
        print(f"{series}\t{python.executable}")
