"""A virtual environment for each suite: what the libraries' tests need contradicts itself."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from environments import HOME, Environment, lock
from pythons import Python, find_pythons
from suites import FOLDER, Suite


class SuiteEnvironment(Environment):
    """`.venv/compat/<series>/<suite>`: its requirements, and the wheel that `environments.py` built."""

    def __init__(self, python: Python, pythons: list[Python], suite: Suite) -> None:
        super().__init__(python, pythons)
        self._wheels = self.folder / "wheels"
        self._suite = suite
        self.folder = HOME / "compat" / python.series / suite.name
        self.executable = self.folder / "bin" / "python"
        self._stamp = self.folder / "ironloop-stamp.json"

    def prepare_suite(self) -> None:
        """Create, install: what has changed inputs. Without changes it needs no network.

        Raises SystemExit if there is no wheel of ironloop.
        """
        found = list(self._wheels.glob("*.whl"))
        if len(found) != 1:
            raise SystemExit(f"no ironloop was built for Python {self.python.series}: see `make compat`")
        wheel, suite = found[0], self._suite
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with lock(f"compat-{self.python.series}"):
            self.step("python", f"{self.folder} {self.python.executable} {self.python.version}", self.create)
            files = [FOLDER / "requirements" / "common.txt", suite.requirements]
            needs = _digest(files) + suite.requirement
            self.step("requirements", needs, lambda: self._pip_install(suite))
            self.step("ironloop", _digest([wheel]), lambda: self._pip_install_wheel(wheel))

    def _pip_install(self, suite: Suite) -> None:
        self.pip("install", "-r", suite.requirements, suite.requirement)

    def _pip_install_wheel(self, wheel: Path) -> None:
        self.pip("install", "--force-reinstall", "--no-deps", wheel)


def environment_for(suite: Suite) -> SuiteEnvironment:
    """The suite's environment for the Python that runs this."""
    pythons = find_pythons()
    series = "{}.{}".format(*sys.version_info)
    if series not in pythons:
        raise SystemExit(f"no Python {series} found")
    return SuiteEnvironment(pythons[series], list(pythons.values()), suite)


def _digest(files: list[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
