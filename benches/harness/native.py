"""What is compiled: the load client and the bare server in Rust, the bare loop in C."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CRATE = Path(__file__).parent.parent / "native"
BARE_LOOP = CRATE / "bare_loop.c"
ROOT = CRATE.parent.parent
TARGET = ROOT / "target" / "benches"
EXTENSIONS = TARGET / "extensions"
"""For the path of workers that use one."""
DOOR = CRATE.parent / "door"


@dataclass(frozen=True)
class Native:
    """`bare_loop` is the folder with the module of that name, for this Python; None if it was not built."""

    bare_server: Path
    load_client: Path
    bare_loop: Path | None


def build() -> Native:
    """Build the binaries in release mode with cargo, and say where they are."""
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics"]
    manifest = ["--manifest-path", str(CRATE / "Cargo.toml")]
    output = subprocess.run([*command, *manifest], check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in output.splitlines()]
    built = {m["target"]["name"]: Path(m["executable"]) for m in messages if m.get("executable")}
    return Native(built["bare-server"], built["load-client"], build_bare_loop())


def build_door() -> None:
    """The extension module of the rows `door/…`; a note where it cannot be built: then they fail."""
    command = ["cargo", "build", "--quiet", "--release", "--manifest-path", str(DOOR / "Cargo.toml")]
    variables = {**os.environ, "PYO3_NO_PYTHON": "1", "PYO3_BUILD_EXTENSION_MODULE": "1"}
    try:
        subprocess.run([*command, "--target-dir", str(TARGET / "door")], check=True, env=variables)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no extension module for door/…: {error}", file=sys.stderr)


def door() -> Any:
    """That module, for a workload."""
    if "door_bench" in sys.modules:
        return sys.modules["door_bench"]
    path = TARGET / "door" / "release" / "libdoor_bench.so"
    spec = importlib.util.spec_from_file_location("door_bench", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["door_bench"] = module
    module.one_worker()
    return module


def prebuilt(directory: Path) -> Native:
    """The binaries from a folder; the bare loop is built in any case, since it is for one Python."""
    return Native(directory / "bare-server", directory / "load-client", build_bare_loop())


def build_extension(crate: str, module: str) -> None:
    """Build an extension module in Rust in release mode, and put its package into `EXTENSIONS`."""
    package, _, library = module.rpartition(".")
    # One build is for every Python.
    environment = {key: value for key, value in os.environ.items() if key != "PYO3_PYTHON"}
    environment |= {"PYO3_NO_PYTHON": "1", "PYO3_BUILD_EXTENSION_MODULE": "1"}
    target = ROOT / "target" / "door"
    command = ["cargo", "build", "--release", "--manifest-path", str(ROOT / crate / "Cargo.toml")]
    subprocess.run([*command, "--target-dir", str(target)], check=True, env=environment)
    shutil.copytree(ROOT / crate / "python", EXTENSIONS, dirs_exist_ok=True)
    shutil.copy2(target / "release" / f"lib{library}.so", EXTENSIONS / package / f"{library}.abi3.so")


def build_bare_loop() -> Path | None:
    """Build it with the C compiler; None, and a note, where that or Python's headers are missing."""
    folder = TARGET / (sys.implementation.cache_tag or "python")
    folder.mkdir(parents=True, exist_ok=True)
    module = folder / f"bare_loop{sysconfig.get_config_var('EXT_SUFFIX')}"
    headers = {Path(sysconfig.get_path(name)) for name in ("include", "platinclude")}
    # Debian's pyconfig.h includes that of the machine by a path that begins beside its own folder.
    headers |= {header.parent for header in headers}
    options = ["-O2", "-shared", "-fPIC", "-Wall", "-Wextra", *(f"-I{header}" for header in sorted(headers))]
    compiler = shlex.split(os.environ.get("CC", "cc"))
    try:
        subprocess.run([*compiler, *options, str(BARE_LOOP), "-o", str(module)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no bare loop to compare tasks with: {error}", file=sys.stderr)
        return None
    return folder
