"""A virtual environment per Python with this checkout's ironloop in it, and commands that run there.

    tools/environments.py one [-r requirements.txt]... -- COMMAND...    the newest Python; becomes COMMAND
    tools/environments.py each [-r requirements.txt]... -- COMMAND...   every Python, --at-once of them

Environments are ``.venv/<series>``, or ``.venv/<name>``. A step whose inputs have not changed since the last
time is skipped, so a second run starts at once. In COMMAND, ``python`` is the environment's. Standard library
only.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from progress import INSIDE, Progress
from pythons import Python, find_debug_builds, find_pythons, missing

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv"
BUILD_REQUIREMENTS = ROOT / "tools" / "build-requirements.txt"
# What the wheel is made of. Build output and caches below these are left out by _sources().
SOURCES = (
    "Cargo.toml",
    "Cargo.lock",
    "pyproject.toml",
    "README.md",
    "rust-toolchain.toml",
    ".cargo",
    "crates",
    "python",
)
NOT_SOURCES = {"__pycache__", "target"}

Command = Sequence[str | Path]


class Environment:
    """One Python's environment: ``prepare`` brings it up to date, ``variables`` are for a command in it."""

    def __init__(self, python: Python, pythons: list[Python], name: str | None = None) -> None:
        self.python = python
        self.others = [other for other in pythons if other is not python]
        self.name = name or python.series
        self.folder = HOME / self.name
        self.executable = self.folder / "bin" / "python"
        self._stamp = self.folder / "ironloop-stamp.json"

    def prepare(self, requirements: list[Path], bare: bool = False) -> None:
        """Create, install requirements, build and install ironloop (unless bare): what has changed inputs."""
        with lock(self.name):
            origin = f"{self.folder} {self.python.executable} {self.python.version}"
            self.step("python", origin, self.create)
            files = [BUILD_REQUIREMENTS, *requirements]
            self.step(_names(files), _hash(files), lambda: self._install(files))
            if not bare:
                self.step("ironloop", _hash(_sources()), self._build)

    def variables(self) -> dict[str, str]:
        """The process environment with this one in front; PYO3_PYTHON tells cargo what to build for."""
        path = os.pathsep.join([str(self.executable.parent), os.environ.get("PATH", os.defpath)])
        own = {"VIRTUAL_ENV": str(self.folder), "PATH": path, "PYO3_PYTHON": str(self.executable)}
        return {**os.environ, **own}

    def step(self, name: str, inputs: str, action: Callable[[], None]) -> None:
        """Do what makes the environment, unless it was done before with the same inputs."""
        done = json.loads(self._stamp.read_text()) if self._stamp.exists() else {}
        if done.get(name) == inputs:
            return
        action()
        if name == "python":
            done = {}  # the environment is new, whatever was in it is gone
        self._stamp.write_text(json.dumps({**done, name: inputs}, indent=1))

    def create(self) -> None:
        """An empty environment, in place of any that is there."""
        _say(f"Python {self.python.series}: new environment from {self.python.executable}")
        shutil.rmtree(self.folder, ignore_errors=True)
        is_systems = Path(self.python.executable).is_relative_to("/usr")
        if is_systems and not self.python.ensurepip and os.geteuid() == 0 and shutil.which("apt-get"):
            # Debian splits ensurepip off into this package.
            package = f"python{self.python.series.rstrip('d')}-venv"
            silent = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            with lock("apt-get"):
                for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
                    subprocess.run(["apt-get", *command], stdout=subprocess.DEVNULL, env=silent)
        made = subprocess.run(
            [self.python.executable, "-m", "venv", self.folder], capture_output=True, text=True
        )
        if made.returncode:
            self._create_without_ensurepip(made.stdout + made.stderr)

    def _create_without_ensurepip(self, reason: str) -> None:
        """An empty environment first; any pip on this machine gets the newest, which installs itself there.

        A pip of old does not run on a Python that is newer than itself.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        _run([self.python.executable, "-m", "venv", "--without-pip", self.folder])
        for python in [self.python, *self.others]:
            pip: Command = [python.executable, "-m", "pip", "download", "--no-deps", "-d", self.folder, "pip"]
            if subprocess.run(pip, capture_output=True).returncode == 0:
                wheel = next(self.folder.glob("pip-*.whl"))
                _run([self.executable, wheel / "pip", "--quiet", "install", "--no-index", wheel])
                return
        raise SystemExit(
            f"{reason}\nPython {self.python.series} has no ensurepip, and no Python found has pip."
        )

    def _install(self, files: list[Path]) -> None:
        _say(f"Python {self.python.series}: installing {_names(files)}")
        self.pip("install", *(argument for path in files for argument in ("-r", path)))

    def _build(self) -> None:
        _say(f"Python {self.python.series}: building ironloop")
        wheels = self.folder / "wheels"
        shutil.rmtree(wheels, ignore_errors=True)
        # A target folder for each Python: PyO3 is compiled for one version, and if they shared the folder it
        # would be compiled anew for each on every change.
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
        environment = {**self.variables(), "CARGO_TARGET_DIR": str(target / f"python{self.python.series}")}
        maturin: Command = [self.executable, "-m", "maturin", "build", "--release"]
        _run([*maturin, "--interpreter", self.executable, "--out", wheels], env=environment)
        self.pip("install", "--force-reinstall", "--no-deps", *wheels.glob("*.whl"))

    def pip(self, *arguments: str | Path) -> None:
        """Run the environment's pip; raises CalledProcessError."""
        _run([self.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments])


def run_one(
    requirements: list[Path], command: list[str], series: str | None, bare: bool, name: str | None
) -> None:
    """Replace this process by COMMAND in the newest (or the named) Python's environment."""
    pythons = find_pythons()
    if series is not None and series.endswith("d"):
        pythons |= find_debug_builds()
    if series is not None and series not in pythons:
        raise SystemExit(f"no Python {series} found")
    if not pythons:
        raise SystemExit("found no Python that ironloop supports: " + ", ".join(missing(pythons)))
    environment = Environment(pythons[series or list(pythons)[-1]], list(pythons.values()), name)
    environment.prepare(requirements, bare)
    sys.stdout.flush()
    os.execvpe(command[0], command, environment.variables())


def run_each(requirements: list[Path], command: list[str], at_once: int) -> int:
    """Run COMMAND in every environment and report its last line for each; 1 if any failed.

    So many environments are made at once, too: most of the time a build has work for one processor.
    """
    pythons = find_pythons()
    outcome = {series: f"skipped: no Python {series} found" for series in missing(pythons)}
    with Progress(_label(command), list(pythons), at_once, kept=" ".join(command)) as progress:

        def prepare(python: Python) -> Environment | None:
            environment = Environment(python, list(pythons.values()))
            try:
                environment.prepare(requirements)
            except subprocess.CalledProcessError as error:
                outcome[python.series] = f"not built: {_failure(error)}"
                progress.skip(python.series)
                return None
            return environment

        with ThreadPoolExecutor(at_once) as pool:
            made = list(pool.map(prepare, pythons.values()))
        ready = [environment for environment in made if environment is not None]
        output = InOrder([environment.name for environment in ready], progress)

        def run(environment: Environment) -> int:
            with progress.step(environment.name), output.of(environment.name) as print_line:
                print_line(f"Python {environment.name}: " + " ".join(command))
                status, last = _tee(command, {**environment.variables(), **INSIDE}, print_line)
            outcome[environment.name] = last if status == 0 else f"{last} (exit status {status})"
            return status

        with ThreadPoolExecutor(at_once) as pool:
            failed = any(list(pool.map(run, ready)))
    print()
    for series in sorted(outcome, key=lambda series: int(series.strip("t").split(".")[1])):
        print(f"Python {series}: {outcome[series]}")
    return int(failed or len(ready) < len(pythons) or not pythons)


class InOrder:
    """The output of commands that run at once: the first one's as it comes, the next one's after its end."""

    def __init__(self, names: Sequence[str], progress: Progress) -> None:
        self._names = list(names)
        self._held: dict[str, list[str]] = {name: [] for name in names}
        self._ended: set[str] = set()
        self._print = functools.partial(progress.print, file=sys.stdout)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[Callable[[str], None]]:
        """What prints a line of this one; at the end of the block all of its lines are there."""
        try:
            yield functools.partial(self._line, name)
        finally:
            with self._lock:
                self._ended.add(name)
                while self._names and self._names[0] in self._ended:
                    del self._names[0]
                    self._flush()

    def _line(self, name: str, text: str) -> None:
        with self._lock:
            self._held[name].append(text)
            if name == self._names[0]:
                self._flush()

    def _flush(self) -> None:
        """Of the one whose turn it is."""
        for name in self._names[:1]:
            for text in self._held[name]:
                self._print(text)
            self._held[name].clear()


def _tee(command: list[str], variables: dict[str, str], print_line: Callable[[str], None]) -> tuple[int, str]:
    """Run with the output passed on as it comes; the exit status and the last line that says something."""
    last = ""
    with subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print_line(line.rstrip("\n"))
            last = line.strip().strip("= ") or last
    return process.returncode, last


def _label(command: list[str]) -> str:
    """What it is about: `pytest`, `conformance`."""
    words = [word for word in command[1:] if not word.startswith("-")] or command
    return Path(words[0]).parent.name or words[0]


def _names(files: list[Path]) -> str:
    return ", ".join(str(path.relative_to(ROOT)) for path in files)


def _sources() -> list[Path]:
    return [ROOT / name for name in SOURCES if (ROOT / name).exists()]


def _hash(paths: list[Path]) -> str:
    """One digest of files and whole folders: names and contents."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            name = file.relative_to(ROOT)
            if file.is_file() and NOT_SOURCES.isdisjoint(name.parts) and file.suffix not in (".so", ".pyc"):
                digest.update(f"{name}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Two commands at once must not build the same environment."""
    HOME.mkdir(exist_ok=True)
    with (HOME / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: Command, env: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, cwd=ROOT, env=env)


def _failure(error: subprocess.CalledProcessError) -> str:
    return f"exit status {error.returncode} of {shlex.join(str(word) for word in error.cmd)}"


def _say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=("one", "each"))
    parser.add_argument("--series", help="for 'one': this Python (3.13) and not the newest")
    parser.add_argument("--prefer", metavar="SERIES", help="for 'one': this Python if there is one")
    parser.add_argument("--name", help="for 'one': in .venv/NAME, beside the tests' environments")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="for 'each': so many, not one")
    parser.add_argument("--bare", action="store_true", help="for 'one': without building ironloop")
    parser.add_argument("-r", dest="requirements", action="append", type=Path, default=[], metavar="FILE")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    requirements = [path.resolve() for path in options.requirements]
    if options.which == "each":
        return run_each(requirements, options.command, options.at_once)
    try:
        series = options.series or (options.prefer if options.prefer in find_pythons() else None)
        run_one(requirements, options.command, series, options.bare, options.name)
    except subprocess.CalledProcessError as error:
        raise SystemExit(_failure(error)) from None
    return 1


if __name__ == "__main__":
    sys.exit(main())
