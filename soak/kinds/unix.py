"""UNIX sockets: by path, by abstract name, by pair."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import tempfile
from pathlib import Path
from typing import Any

from kinds.streams import USES, Server, client, half_close, reset, talk
from kinds.support import Echo, End, Factory, cut_short, ended, pair, turns

# There is no reset on UNIX sockets.
UNIX_USES = [use for use in USES if use is not reset]


async def served(address: str | Path, chance: random.Random, **options: Any) -> None:
    handler = Server()
    server = await asyncio.start_unix_server(handler, address, **options)
    connect = asyncio.open_unix_connection
    await asyncio.gather(*(client(chance, UNIX_USES, connect, address) for _ in range(4)))
    more = [client(chance, UNIX_USES, connect, address) for _ in range(4)]
    await asyncio.gather(*(cut_short(work, chance) for work in more))
    server.close()
    await server.wait_closed()
    await handler.idle()


async def protocols(path: Path, chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    accepted = Factory(Echo)
    server = await loop.create_unix_server(accepted, path)
    _, end = await loop.create_unix_connection(End, str(path))
    end.transport.write(b"x")
    await end.some.wait()
    await turns(chance.randrange(3))
    await ended(end)
    await ended(*accepted.ends)
    server.close()
    await server.wait_closed()
    with contextlib.suppress(OSError):
        # Gone, or nobody listens there.
        await loop.create_unix_connection(End, str(path))


async def paired(chance: random.Random) -> None:
    with pair() as (near, far):
        loop = asyncio.get_running_loop()
        _, echo = await loop.create_connection(Echo, sock=near)
        await client(chance, [talk, half_close], lambda: asyncio.open_unix_connection(sock=far))
        await ended(echo)


async def cycle(chance: random.Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        await served(Path(folder, "streams"), chance)
        await protocols(Path(folder, "protocols"), chance)
    await served(f"\0ironloop-soak-{os.getpid()}", chance)
    await paired(chance)
