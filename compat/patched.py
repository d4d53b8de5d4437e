"""Builds real extension modules with crates/compat in pyo3-async-runtimes' place, and runs their own tests.

    make patched ARGS="--only opendal --loops ironloop"

What `patched.toml` names is taken from PyPI as source, given a line under `[patch.crates-io]`, built by
cargo, and tested on asyncio, uvloop and ironloop. A test that fails fails the run, on whichever loop: our
crate is beneath all three. Sources and builds stay in `target/patched`, reports in
`.venv/compat/<series>/logs/patched`. Not part of the CI: the builds take many minutes, the first time.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from environments import HOME, ROOT
from library_environments import LibraryEnvironment, environment_in
from progress import Progress
from run import OUTPUT, faults_of, last_line, say
from sessions import Outcome, Runner
from suites import FOLDER, Suite

LOOPS = ("asyncio", "uvloop", "ironloop")
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "patched"
COMPAT = ROOT / "crates" / "compat"

# pip asks a source distribution for its metadata before it hands it over, and so would have Cargo resolve
# what is to be mended first. A backend that knows name and version already takes maturin's place.
BACKEND = """
import os
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    name, _, version = os.environ["PATCHED"].partition("==")
    made = f"{name}-{version}.dist-info"
    os.mkdir(os.path.join(folder, made))
    with open(os.path.join(folder, made, "METADATA"), "w") as file:
        file.write(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return made
"""


@dataclass(frozen=True)
class Module(Suite):
    """An extension module and its own tests; `patched.toml` explains the fields."""

    pyo3: str = ""
    manifest: str = "Cargo.toml"
    features: list[str] = field(default_factory=list)
    library: str = ""
    module: str = ""
    package: str = ""
    registry: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def requirements(self) -> Path:
        return FOLDER / "requirements" / "patched.txt"

    @property
    def ours(self) -> Path:
        """The crate that is put in pyo3-async-runtimes' place."""
        line = COMPAT / "lines" / self.pyo3
        return line if line.exists() else COMPAT


def load() -> dict[str, Module]:
    tables: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "patched.toml").read_text())
    return {name: Module(name=name, keep=[], **table) for name, table in tables.items()}


def source_of(module: Module) -> Path:
    """The folder with its source, unpacked and patched.

    Raises SystemExit if it is not the one that was pinned, or is not what `patched.toml` takes it for,
    CalledProcessError if it cannot be had.
    """
    folder = TARGET / "sources" / module.name
    marker = folder / ".patched"
    wanted = repr((module.sha256, module.registry, module.ours, module.manifest, module.folders))
    if marker.exists() and marker.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        archive = _fetch(module, Path(name))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != module.sha256:
            raise SystemExit(f"{archive.name} has sha256 {digest}, and not the pinned {module.sha256}")
        with tarfile.open(archive) as tar:
            for member in tar:
                inner = member.name.partition("/")[2]
                if inner:
                    tar.extract(member.replace(name=inner, deep=False), folder, filter="data")
    _patch(module, folder / module.manifest)
    for name in module.folders:
        (folder / name).mkdir()
    marker.write_text(wanted)
    return folder


def _fetch(module: Module, scratch: Path) -> Path:
    (scratch / "maturin.py").write_text(BACKEND)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
    pip += ["--no-build-isolation", "--no-binary", module.name, "--dest", str(scratch), module.requirement]
    own = {"PYTHONPATH": str(scratch), "PATCHED": module.requirement}
    subprocess.run(pip, env={**os.environ, **own}, check=True)
    return next(scratch.glob("*.tar.gz"))


def _patch(module: Module, manifest: Path) -> None:
    text = manifest.read_text()
    for crate, version in module.registry.items():
        by_git = rf'^{crate} = {{ git = "[^"]*"(, (branch|rev) = "[^"]*")?(.*\n)'
        with_version = rf'{crate} = {{ version = "{version}"\3' if version else ""
        text, count = re.subn(by_git, with_version, text, flags=re.MULTILINE)
        if not count:
            raise SystemExit(f"{module.name} does not take {crate} by git")
    line = f'pyo3-async-runtimes = {{ path = "{module.ours}" }}\n'
    if "[workspace]" not in text:
        text += "\n[workspace]\n"  # it lies within ours
    header = "[patch.crates-io]\n"
    text = text.replace(header, header + line) if header in text else f"{text}\n{header}{line}"
    manifest.write_text(text)


def build(module: Module, source: Path, variables: dict[str, str]) -> None:
    """Builds it and puts the library into its package. Raises CalledProcessError, SystemExit."""
    manifest, target = source / module.manifest, TARGET / "build"
    own = {"CARGO_TARGET_DIR": str(target), "CARGO_PROFILE_DEV_DEBUG": "0"}
    own["PYO3_BUILD_EXTENSION_MODULE"] = "1"  # as maturin has it
    wanted = ["--manifest-path", str(manifest), "--no-default-features"]
    wanted += ["--features", ",".join(module.features)]
    subprocess.run(["cargo", "build", *wanted], env={**variables, **own}, check=True)
    # Cargo leaves a patch aside, with a warning, where the version is not the one that is asked for.
    tree = ["cargo", "tree", "--quiet", "--prefix", "none", "-i", "pyo3-async-runtimes", *wanted]
    made = subprocess.run(tree, env={**variables, **own}, check=True, capture_output=True, text=True).stdout
    if str(module.ours) not in made:
        raise SystemExit(f"{module.name} was not built with {module.ours.relative_to(ROOT)}: {made}")
    library = target / "debug" / f"lib{module.library}.so"
    shutil.copy2(library, source / module.package / f"{module.module.replace('.', '/')}.so")


@contextlib.contextmanager
def services(module: Module) -> Iterator[dict[str, str]]:
    """What its tests find in their environment."""
    with tempfile.TemporaryDirectory(prefix="patched-") as scratch:
        yield {name: value.format(scratch=scratch) for name, value in module.variables.items()}


def trial(module: Module, options: argparse.Namespace) -> tuple[dict[str, Outcome], list[str]]:
    """Builds one and runs its tests. Returns what came of them by loop, and what is wrong."""
    environment = environment_for(module)
    source = source_of(module)
    build(module, source, environment.variables())
    logs = environment.folder.parent / "logs" / "patched"
    logs.mkdir(parents=True, exist_ok=True)
    outcomes = {}
    with services(module) as own:
        path = {"PYTHONPATH": str(source / module.package), "IRONLOOP_BLOCKED": "off"}
        variables = {**environment.variables(), **path, **own}
        runner = Runner(module, source, environment.executable, variables, logs)
        for loop in options.loops:
            outcomes[loop] = runner.run(loop, "patched", module.workers or options.jobs)
            say(f"{module.name} on {loop}: {outcomes[loop].count()}, {outcomes[loop].seconds:.0f} s")
    faults = [fault for loop, outcome in outcomes.items() for fault in faults_of(module, loop, outcome)]
    for loop, outcome in outcomes.items():
        for test in sorted(set(outcome.tests) - outcome.passed()):
            if outcome.tests[test] == "failed":
                faults.append(f"on {loop}: {test}: {last_line(outcome.texts.get(test, ''))}")
    return outcomes, faults


def environment_for(module: Module) -> LibraryEnvironment:
    """`.venv/compat/<series>/patched`, one for all of them."""
    environment = environment_in(HOME / "compat" / "{}.{}".format(*sys.version_info) / "patched")
    environment.prepare_with([FOLDER / "requirements" / "common.txt", module.requirements])
    return environment


def summary(module: Module, outcomes: dict[str, Outcome]) -> Iterator[str]:
    """A line for its tests on each loop, one for each group of those that were left out."""
    counts = "; ".join(f"{loop}: {outcome.count()}" for loop, outcome in outcomes.items())
    yield f"{module.requirement}, by {module.ours.relative_to(ROOT)}: {counts}"
    for group in module.deselect:
        yield f"  left out, {group['reason']}: {', '.join(group['tests'])}"


def arguments(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="MODULE", help=str(names))
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=LOOPS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes for one's tests")
    return parser.parse_args()


def main() -> int:
    known = load()
    options = arguments(list(known))
    lines, wrong = [], []
    with Progress("patched", options.only) as progress:
        OUTPUT.progress = progress
        for name in options.only:
            with progress.step(name):
                try:
                    outcomes, faults = trial(known[name], options)
                except subprocess.CalledProcessError as error:
                    outcomes, faults = {}, [f"{error.cmd[0]} ended with {error.returncode}"]
            lines += summary(known[name], outcomes)
            wrong += [f"{name} {fault}" for fault in faults]
    OUTPUT.progress = None
    print("\n" + "\n".join([*wrong, *lines]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
