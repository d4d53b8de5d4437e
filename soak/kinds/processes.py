"""Subprocesses: waited for, killed, left in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import random
from asyncio.subprocess import DEVNULL, PIPE, Process

from kinds.support import FAILURES, cut_short, turns


async def over(process: Process) -> None:
    """Kill it if it lives, take all that it has written, and wait until its pipes are closed."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    with contextlib.suppress(*FAILURES):
        await process.communicate()
    await process.wait()


async def spoken_to(chance: random.Random) -> None:
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    said = b"x" * chance.choice([1, 100_000])
    heard, _ = await process.communicate(said)
    assert heard == said and process.returncode == 0


async def shell(chance: random.Random) -> None:
    process = await asyncio.create_subprocess_shell(
        "echo out; echo err >&2; exit 3", stdout=PIPE, stderr=PIPE
    )
    assert await process.communicate() == (b"out\n", b"err\n") and process.returncode == 3


async def killed(chance: random.Random) -> None:
    process = await asyncio.create_subprocess_exec("sleep", "600", stdout=chance.choice([DEVNULL, PIPE]))
    await turns(chance.randrange(3))
    chance.choice([process.kill, process.terminate])()
    assert await process.wait() < 0
    await over(process)


async def left(chance: random.Random) -> None:
    """`communicate` or `wait` is cancelled, the process lives."""
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    waits = [process.wait, lambda: process.communicate(b"x" * 300_000), process.stdout.readline]
    await cut_short(chance.choice(waits)(), chance)
    await over(process)


async def never_there(chance: random.Random) -> None:
    with contextlib.suppress(FileNotFoundError):
        await asyncio.create_subprocess_exec("/nonexistent/program", stdout=PIPE)


async def cut_short_in_the_making(chance: random.Random) -> None:
    async def whole() -> None:
        process = await asyncio.create_subprocess_exec("true", stdin=PIPE, stdout=PIPE)
        try:
            await process.communicate()
        finally:
            await over(process)

    await cut_short(whole(), chance)


async def cycle(chance: random.Random) -> None:
    await asyncio.gather(spoken_to(chance), shell(chance), killed(chance), never_there(chance))
    await asyncio.gather(left(chance), cut_short_in_the_making(chance))
