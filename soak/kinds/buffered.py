"""TCP by buffered protocols."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from kinds.support import HOST, Echo, End, Factory, closing, cut_short, ended
from kinds.tcp import client


class BufferedEnd(asyncio.BufferedProtocol, End):
    """An end that gives its own buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = bytearray(4096)

    def get_buffer(self, sizehint: int) -> Any:
        return memoryview(self.buffer)

    def buffer_updated(self, nbytes: int) -> None:
        self.note(nbytes)


class BufferedEcho(BufferedEnd):
    """Sends back what comes, out of the buffer that is filled again."""

    def buffer_updated(self, nbytes: int) -> None:
        super().buffer_updated(nbytes)
        self.transport.write(memoryview(self.buffer)[:nbytes])


async def cycle(chance: random.Random) -> None:
    accepted = Factory(chance.choice([BufferedEcho, Echo]))
    server = await asyncio.get_running_loop().create_server(accepted, HOST, 0)
    async with closing(server) as address:
        await asyncio.gather(*(client(address, chance, BufferedEnd) for _ in range(4)))
        await asyncio.gather(*(cut_short(client(address, chance, BufferedEnd), chance) for _ in range(4)))
        while any(end.transport is None for end in accepted.ends):
            await asyncio.sleep(0)
        await ended(*accepted.ends)
