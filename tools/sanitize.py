"""Runs the tests with AddressSanitizer in the native code: `make sanitize`.

    tools/sanitize.py [PYTEST ARGUMENTS…]

The tests of driver and engine first, and those of `crates/ironloop`; then, on a copy of ironloop that is
built for it, with all of Python's objects in memory that the sanitizer watches, the rough programs
(tests/rough_programs) and pytest. Run by tools/environments.py, in an environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target" / "sanitize"
ROUGH_PROGRAMS = 1000
# The compiler's own, stable as it is: the sanitizer is all that is taken from what is unstable.
VARIABLES = {"RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": "-Zsanitizer=address", "CARGO_TARGET_DIR": str(FOLDER)}


def main() -> int:
    runtime = _output("cc", "-print-file-name=libasan.so")
    if not Path(runtime).is_absolute():
        print("skipped: this C compiler has no AddressSanitizer")
        return 0
    # With a target named, build scripts and macros are built without the sanitizer.
    target = [
        "--target",
        next(line[6:] for line in _output("rustc", "-vV").splitlines() if line[:6] == "host: "),
    ]
    environment = {**os.environ, **VARIABLES}
    cargo = ["cargo", "test", "-p", "ironloop-driver", "-p", "ironloop-engine", *target]
    status = subprocess.run(cargo, cwd=ROOT, env=environment).returncode
    futures = ["-p", "ironloop", "--lib", "--test", "net", "--test", "runtime", "--test", "time"]
    cargo = ["cargo", "test", *futures, *target]
    status = subprocess.run(cargo, cwd=ROOT, env=environment).returncode or status
    package = _build(target, environment)
    watched = {
        "LD_PRELOAD": runtime,
        # Python keeps much to its end, and the sanitizer would call it leaked.
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(package),
    }
    rough = [sys.executable, "-X", "dev", "-m", "rough_programs", "ironloop", "0", str(ROUGH_PROGRAMS)]
    status = subprocess.run(rough, cwd=ROOT / "tests", env={**os.environ, **watched}).returncode or status
    # Programs that the guide and the examples start are measured against the clock.
    left_out = ["--ignore=tests/test_guide.py", "--ignore=tests/test_examples.py"]
    pytest = [sys.executable, "-m", "pytest", *left_out, *sys.argv[1:]]
    return subprocess.run(pytest, cwd=ROOT, env={**os.environ, **watched}).returncode or status


def _build(target: list[str], environment: dict[str, str]) -> Path:
    """A folder with the package, its native half built with the sanitizer."""
    extension = {**environment, "PYO3_BUILD_EXTENSION_MODULE": "1", "PYO3_PYTHON": sys.executable}
    cargo = ["cargo", "build", "--release", "-p", "ironloop-python", *target]
    subprocess.run(cargo, cwd=ROOT, env=extension, check=True)
    package = FOLDER / "package"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "python" / "wheel" / "platlib", package)
    shutil.copytree(ROOT / "python" / "ironloop", package / "ironloop")
    built = FOLDER / target[1] / "release" / "lib_ironloop.so"
    shutil.copy(built, package / "ironloop" / f"_ironloop{sysconfig.get_config_var('EXT_SUFFIX')}")
    return package


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
