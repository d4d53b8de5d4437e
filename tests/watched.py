"""Programs that are recorded, and what viewers in other processes say of them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

DEADLOCK = """
    import asyncio, ironloop

    async def take(first, second):
        async with first:
            await asyncio.sleep(0)
            async with second:
                pass

    async def main():
        a, b = asyncio.Lock(), asyncio.Lock()
        tasks = [
            asyncio.create_task(take(a, b), name="one"),
            asyncio.create_task(take(b, a), name="other"),
            asyncio.create_task(asyncio.sleep(1000), name="sleeper"),
            asyncio.create_task(asyncio.Queue().get(), name="getter"),
        ]
        for _ in range(3):
            await asyncio.sleep(0)
        print("ready", flush=True)
        await asyncio.gather(*tasks)

    ironloop.run(main())
"""


def begun_in(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begins a program that prints a line when it is ready, and does not end by itself."""
    begun = []

    def begin(text: str, **variables: str) -> subprocess.Popen[str]:
        path = folder / "program.py"
        path.write_text(textwrap.dedent(text))
        child = subprocess.Popen(
            [sys.executable, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "IRONLOOP_WATCH": "1", **variables},
        )
        begun.append(child)
        assert child.stdout.readline() == "ready\n"
        return child

    yield begin
    for child in begun:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def view(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ironloop", *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def await_text(text: str, *words: str) -> str:
    deadline = time.monotonic() + 60
    while text not in (seen := view(*words)):
        assert time.monotonic() < deadline, seen
    return seen
