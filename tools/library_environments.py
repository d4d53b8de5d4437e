"""Environments of their own for what is tried with ironloop, since what libraries need contradicts itself."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from environments import Environment, lock
from pythons import Python, find_pythons


class LibraryEnvironment(Environment):
    """An environment in `folder`: requirements, and the wheel of ironloop that `environments.py` built."""

    def __init__(self, python: Python, pythons: list[Python], folder: Path) -> None:
        super().__init__(python, pythons)
        self._wheels = self.folder / "wheels"
        self.folder = folder
        self.executable = self.folder / "bin" / "python"
        self._stamp = self.folder / "ironloop-stamp.json"

    def prepare_with(self, files: Sequence[Path], requirement: str = "", wheel: Path | None = None) -> None:
        """Create, install: what has changed inputs. Without changes it needs no network.

        Arguments: `files` and `requirement` are what pip shall install, `wheel` is another ironloop than the
        one that was built.
        Raises SystemExit if there is no wheel of ironloop.
        """
        wheel = wheel or self._wheel()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with lock("-".join(self.folder.parts[-3:-1])):
            self.step("python", f"{self.folder} {self.python.executable} {self.python.version}", self.create)
            self.step("requirements", digest(files) + requirement, self._install_all(files, requirement))
            self.step("ironloop", digest([wheel]), lambda: self._install_wheel(wheel))

    def _wheel(self) -> Path:
        found = list(self._wheels.glob("*.whl"))
        if len(found) != 1:
            raise SystemExit(f"no ironloop was built for Python {self.python.series}: run it by make")
        return found[0]

    def _install_all(self, files: Sequence[Path], requirement: str) -> Callable[[], None]:
        named = [argument for path in files for argument in ("-r", path)]
        return lambda: self.pip("install", *named, *([requirement] if requirement else []))

    def _install_wheel(self, wheel: Path) -> None:
        self.pip("install", "--force-reinstall", "--no-deps", wheel)


def environment_in(folder: Path) -> LibraryEnvironment:
    """An environment in that folder, for the Python that runs this."""
    pythons = find_pythons()
    series = "{}.{}".format(*sys.version_info)
    if series not in pythons:
        raise SystemExit(f"no Python {series} found")
    return LibraryEnvironment(pythons[series], list(pythons.values()), folder)


def digest(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
