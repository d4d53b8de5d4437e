"""What is too long for the tests of the Rust door: `make door-proofs`.

    a million calls that are cancelled, on each loop: the memory of the process stays as it was
    two extension modules of different versions of PyO3 in one process: each awaits the other's futures
    1,000 processes that end while other threads wake their futures: each ends well, and in time

``ARGS`` are fractions of both, as ``--scale 0.1``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOOPS = ("ironloop", "asyncio", "uvloop")
PAGE = 4096

EXIT = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
import door_extension as door
module = __import__(sys.argv[2])

async def main():
    events = [door.Event() for _ in range(50)]
    for number, event in enumerate(events):
        asyncio.ensure_future(event.wait())
        event.set_from_thread(number * 0.0004)
    await asyncio.sleep(0.004)
    if int(sys.argv[3]) % 2:
        sys.exit(0)

module.run(main())
"""


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


async def cancel(door: Any, count: int) -> None:
    """Calls begin, wait in Rust, and are cancelled: by a hundred at once."""
    for _ in range(count // 100):
        event = door.Event()
        tasks = [asyncio.ensure_future(event.wait()) for _ in range(50)]
        tasks += [asyncio.ensure_future(door.sleep(60_000)) for _ in range(25)]
        tasks += [asyncio.ensure_future(door.passes_on(asyncio.sleep(60))) for _ in range(25)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def memory(name: str, count: int) -> None:
    """Fails if what a hundredth leaves grows with the rest."""
    door = importlib.import_module("rust_extension").build()
    with asyncio.Runner(loop_factory=importlib.import_module(name).new_event_loop) as runner:
        runner.run(cancel(door, max(count // 20, 1000)))
        gc.collect()
        before = resident()
        runner.run(cancel(door, count))
        gc.collect()
        grown = resident() - before
    print(f"{name}: {count:,} cancelled calls, {grown / 1024:,.0f} KiB more, {door.alive()} alive")
    # A page for a thousand calls would be a leak of 4 bytes each: what an allocator keeps is less.
    if grown > 2 * 1024 * 1024 or door.alive():
        raise SystemExit("the memory is not flat")


async def both(newer: Any, older: Any) -> None:
    event = newer.Event()
    event.set_from_thread(0.01)
    awaited = [
        older.passes_on(event.wait()),
        newer.passes_on(older.sleep(5)),
        older.passes_on(newer.sleep(5)),
    ]
    assert await asyncio.gather(*awaited) == [True, 5, 5]
    cancelled = [asyncio.ensure_future(older.passes_on(newer.never())) for _ in range(100)]
    await asyncio.sleep(0)
    for one in cancelled:
        one.cancel()
    await asyncio.wait(cancelled)
    assert newer.alive() == 0


def versions(name: str) -> None:
    build = importlib.import_module("rust_extension").build
    with asyncio.Runner(loop_factory=importlib.import_module(name).new_event_loop) as runner:
        runner.run(both(build(), build("door_older", ROOT / "tests" / "door" / "older")))
    print(f"{name}: modules of two versions of PyO3")


def exits(name: str, count: int) -> None:
    extension = importlib.import_module("rust_extension")
    folder = extension.installed("door_extension", ROOT / "tests" / "door" / "extension")
    for number in range(count):
        command = [sys.executable, "-W", "ignore", "-c", EXIT, str(folder), name, str(number)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode or "panicked" in done.stderr or "Fatal" in done.stderr:
            raise SystemExit(f"{name}: exit {number} under fire: {done.returncode}\n{done.stderr}")
    print(f"{name}: {count:,} exits under fire")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="of a million calls and 1,000 exits")
    parser.add_argument("--loops", nargs="+", default=LOOPS)
    options = parser.parse_args()
    scale, loops = options.scale, options.loops
    sys.path.insert(0, str(ROOT / "tests"))
    for name in loops:
        memory(name, int(1_000_000 * scale))
    for name in loops:
        versions(name)
    for name in loops:
        exits(name, int(1000 * scale) // len(loops) + 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
