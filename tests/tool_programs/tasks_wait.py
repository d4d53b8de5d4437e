"""Tasks that wait for one another, for `python -m asyncio ps` to look at until standard input ends."""

from __future__ import annotations

import asyncio
import sys


async def innermost(event: asyncio.Event) -> None:
    print("ready", flush=True)
    await event.wait()


async def in_a_group(event: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(innermost(event), name="in the group")


async def main() -> None:
    event = asyncio.Event()
    group = asyncio.create_task(in_a_group(event), name="with a group")
    asleep = asyncio.create_task(asyncio.sleep(3600), name="asleep")
    gathering = asyncio.gather(group, asleep, return_exceptions=True)
    end = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    asyncio.current_task().set_name("outermost")
    waiting = asyncio.create_task(asyncio.wait([gathering]), name="waits for both")
    await end
    group.cancel()
    asleep.cancel()
    await waiting


asyncio.run(main())
