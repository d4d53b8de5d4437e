"""The compiled load client and the bare server."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

CRATE = Path(__file__).parent.parent / "native"


@dataclass(frozen=True)
class Native:
    bare_server: Path
    load_client: Path


def build() -> Native:
    """Build both in release mode with cargo, and say where they are."""
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics"]
    manifest = ["--manifest-path", str(CRATE / "Cargo.toml")]
    output = subprocess.run([*command, *manifest], check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in output.splitlines()]
    built = {m["target"]["name"]: Path(m["executable"]) for m in messages if m.get("executable")}
    return Native(built["bare-server"], built["load-client"])


def prebuilt(directory: Path) -> Native:
    return Native(directory / "bare-server", directory / "load-client")
