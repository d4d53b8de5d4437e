"""Looks for races in what threads share of a loop: `make races`.

First loom: the inbox's threads, and a future's wakers, in every order in which they can meet. Then the inbox,
the notifier and the wait together, and the futures, timers and sockets of `crates/ironloop`, under
ThreadSanitizer. That wants the standard library compiled for it, so its source (`rustup component add
rust-src`); as the library comes, its locks are not seen, and all that they protect is reported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    loom = _run(["-p", "ironloop-engine", "--lib", "--release", "inbox"], "loom", "--cfg loom")
    state = ["-p", "ironloop", "--no-default-features", "--lib", "--release", "races"]
    loom = _run(state, "loom", "--cfg loom") or loom
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True)
    source = Path(sysroot.stdout.strip()) / "lib" / "rustlib" / "src" / "rust" / "library"
    if not source.exists():
        print(
            "skipped: no source of the standard library for ThreadSanitizer (rustup component add rust-src)"
        )
        return loom
    versions = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    host = next(line[6:] for line in versions.splitlines() if line.startswith("host: "))
    built = ["-Zbuild-std", "--target", host]
    shared = ["-p", "ironloop-reactor", "--test", "threads", *built]
    futures = ["-p", "ironloop", "--lib", "--test", "net", "--test", "runtime", "--test", "time", *built]
    results = [_run(arguments, "threads", "-Zsanitizer=thread") for arguments in (shared, futures)]
    return loom or max(results)


def _run(arguments: list[str], folder: str, flags: str) -> int:
    # The compiler is the stable one: the sanitizer is all that is taken from what is unstable.
    variables = {
        "RUSTC_BOOTSTRAP": "1",
        "RUSTFLAGS": flags,
        "CARGO_TARGET_DIR": str(ROOT / "target" / folder),
        # Seconds; without a limit it takes hours.
        "LOOM_MAX_PREEMPTIONS": "3",
    }
    return subprocess.run(["cargo", "test", *arguments], cwd=ROOT, env={**os.environ, **variables}).returncode


if __name__ == "__main__":
    sys.exit(main())
