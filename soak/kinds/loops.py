"""Loops beside the running one: in threads, opened and closed, in a forked child."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import warnings
from typing import Any

from kinds.support import HOST, Echo, End, Factory, closing, ended

# A fork copies all of the process's page tables.
FORK_EVERY = 5


async def echoed() -> None:
    loop = asyncio.get_running_loop()
    accepted = Factory(Echo)
    async with closing(await loop.create_server(accepted, HOST, 0)) as address:
        _, end = await loop.create_connection(End, *address)
        end.transport.write(b"x")
        await end.some.wait()
        await ended(end, *accepted.ends)
    await loop.run_in_executor(None, int)


def in_a_loop_of_its_own(make: Any) -> None:
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(echoed())


def closed_in_the_middle(make: Any) -> None:
    """With timers, tasks, watched descriptors and calls that nobody will see to any more."""

    async def begin() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(3600, int)
        loop.call_soon(int)
        server = await loop.create_server(End, HOST, 0)
        _, end = await loop.create_connection(End, *server.sockets[0].getsockname())
        end.transport.write(b"x")
        end.transport.abort()
        server.close()

    make().close()
    loop = make()
    loop.run_until_complete(begin())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def fork(make: Any) -> int:
    """The child's number; it runs a loop of its own, and says by its exit status how that went."""
    with warnings.catch_warnings():
        # That other threads are running is the very point.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    status = 1
    try:
        in_a_loop_of_its_own(make)
        status = 0
    finally:
        os._exit(status)


async def forked(make: Any) -> None:
    child = fork(make)
    try:
        _, status = await asyncio.wait_for(asyncio.to_thread(os.waitpid, child, 0), 20)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGABRT)
        raise
    assert status == 0, f"a loop in a forked child ended with status {status}"


async def cycle(chance: random.Random) -> None:
    make = type(asyncio.get_running_loop())
    await asyncio.gather(
        *(asyncio.to_thread(in_a_loop_of_its_own, make) for _ in range(3)),
        asyncio.to_thread(closed_in_the_middle, make),
    )
    if chance.randrange(FORK_EVERY) == 0:
        await forked(make)
