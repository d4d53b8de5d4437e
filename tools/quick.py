"""Builds ironloop the quick way for one Python and runs a command with it: for `make test-one`.

    tools/quick.py SERIES COMMAND...

The build is less optimised, and cut into pieces that are compiled again only when they change. It is put into
an environment of its own in ``target/quick``, on top of tools/environments.py's as that was last prepared, so
processes that COMMAND starts have it too, whatever their variables.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUFFIX = "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))"


def main() -> int:
    series, *command = sys.argv[1:]
    folder = ROOT / ".venv" / series
    python = folder / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"no environment for Python {series}: `make test` makes it")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "quick"
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    variables = {**os.environ, "VIRTUAL_ENV": str(folder), "PATH": path, "PYO3_PYTHON": str(python)}
    building = {**variables, "CARGO_TARGET_DIR": str(target / series), "PYO3_BUILD_EXTENSION_MODULE": "1"}
    cargo = ["cargo", "build", "--quiet", "--profile", "quick", "-p", "ironloop-python"]
    subprocess.run(cargo, cwd=ROOT, env=building, check=True)
    package = target / "package" / series
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "python" / "wheel" / "platlib", package)
    shutil.copytree(ROOT / "python" / "ironloop", package / "ironloop", ignore=shutil.ignore_patterns("*.so"))
    suffix = subprocess.run([python, "-c", SUFFIX], capture_output=True, text=True, check=True).stdout.strip()
    shutil.copy(target / series / "quick" / "lib_ironloop.so", package / "ironloop" / f"_ironloop{suffix}")
    overlay = _overlay(target / "environment" / series, package, folder, python)
    path = os.pathsep.join([str(overlay / "bin"), path])
    # PYTHONPATH is for the scripts of the environment beneath, which name its Python.
    running = {"VIRTUAL_ENV": str(overlay), "PATH": path, "PYTHONPATH": str(package)}
    return subprocess.run(command, env={**variables, **running}).returncode


def _overlay(overlay: Path, package: Path, beneath: Path, python: Path) -> Path:
    """A virtual environment with one package, and with those of another environment after it."""
    version = package.name.rstrip("d")
    packages = Path("lib") / f"python{version}" / "site-packages"
    for link, target in {
        overlay / "bin" / "python": python.resolve(),
        overlay / "bin" / "python3": python.resolve(),
        overlay / "bin" / f"python{version}": python.resolve(),
        overlay / packages: package,
    }.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    shutil.copy(beneath / "pyvenv.cfg", overlay / "pyvenv.cfg")
    others = str(beneath.resolve() / packages)
    (package / "beneath.pth").write_text(f"import site; site.addsitedir({others!r})\n")
    return overlay


if __name__ == "__main__":
    sys.exit(main())
