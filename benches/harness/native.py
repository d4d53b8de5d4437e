"""What is compiled: the load client and the bare server in Rust, the bare loop in C."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

CRATE = Path(__file__).parent.parent / "native"
BARE_LOOP = CRATE / "bare_loop.c"
TARGET = CRATE.parent.parent / "target" / "benches"


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


def prebuilt(directory: Path) -> Native:
    """The binaries from a folder; the bare loop is built in any case, since it is for one Python."""
    return Native(directory / "bare-server", directory / "load-client", build_bare_loop())


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
