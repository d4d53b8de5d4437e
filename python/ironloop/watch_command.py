"""`python -m ironloop top`, `tree`, `web`, `replay`, `list` and `--trace`: viewers of a loop's recording."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys

from ironloop._ironloop import monitor, record_all, recordings

# What --trace has room for: the oldest go when there are more.
_EVENTS = 1 << 21


def view(words: list[str]) -> None:
    """Runs a viewer; ends the process by its status."""
    status = 0
    has_terminal = words[:1] in (["top"], ["replay"]) and not any(word.startswith("--to") for word in words)
    if not has_terminal:
        # These run in Rust until they end, where Python's handler would wait for ever. The others have the
        # terminal to themselves, and leave it as it was.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        monitor(words)
    except ValueError as error:
        print(f"ironloop: {error}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.stdout.flush()
    # No thread of the program's is there to wait for.
    sys.exit(status)


def trace(to: str) -> None:
    """Records each loop that begins from now on; at exit the recording goes to a file of that name."""
    if not to.endswith((".html", ".json", ".perfetto", ".pftrace")):
        print("ironloop: --trace needs a name that ends in .html, .perfetto or .json", file=sys.stderr)
        sys.exit(2)
    to = os.path.abspath(to)
    folder = os.path.dirname(to)
    if not os.access(to if os.path.exists(to) else folder, os.W_OK):
        # Rather now than when the program has run.
        print(f"ironloop: --trace cannot write {to}", file=sys.stderr)
        sys.exit(2)
    record_all(_EVENTS)
    atexit.register(_write, to, os.getpid())


def _write(to: str, process: int) -> None:
    if os.getpid() != process:
        # A child that was forked: the recording is its parent's.
        return
    paths = recordings()
    if not paths:
        print("ironloop: no loop has run, so there is nothing to trace", file=sys.stderr)
        return
    root, end = os.path.splitext(to)
    for number, path in enumerate(paths, 1):
        name = to if number == 1 else f"{root}.{number}{end}"
        try:
            monitor(["replay", path, "--to", name])
            print(f"ironloop: the trace is in {name}", file=sys.stderr)
        except ValueError as error:
            print(f"ironloop: no trace: {error}", file=sys.stderr)
            print(f"ironloop: the recording stays: python -m ironloop replay {path}", file=sys.stderr)
            continue
        with contextlib.suppress(OSError):
            os.unlink(path)
