"""TCP by streams, cancelled in connect, read, write and drain."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from kinds.support import FAILURES, HOST, PLENTY, cut_short, linger_for_nothing

Use = Callable[[asyncio.StreamReader, asyncio.StreamWriter, random.Random], Awaitable[None]]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers lines, but not "silence"; ends at "end", and by ValueError at a line that is too long."""
    with contextlib.suppress(*FAILURES, ValueError):
        while line := await reader.readline():
            if line == b"end\n":
                break
            if line != b"silence\n":
                writer.write(line)
                await writer.drain()
    writer.close()
    with contextlib.suppress(*FAILURES):
        await writer.wait_closed()


class Server:
    """Serves by streams; knows its handlers, so that a cycle can wait for them."""

    def __init__(self) -> None:
        self.handlers: list[asyncio.Task[None]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.handlers.append(task)
        await answer(reader, writer)

    async def idle(self) -> None:
        while any(not task.done() for task in self.handlers):
            await asyncio.wait(self.handlers)


@contextlib.asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Any]:
    """The address of a server of `answer`, whose handlers have all ended when this ends."""
    handler = Server()
    server = await asyncio.start_server(handler, HOST, 0, **options)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        await server.wait_closed()
        await handler.idle()


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random) -> None:
    for _ in range(3):
        writer.write(b"word\n")
        await writer.drain()
        assert await reader.readline() == b"word\n"


async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random) -> None:
    writer.write(b"word\nend\n")
    assert await reader.read() == b"word\n"


async def half_close(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
) -> None:
    writer.write(b"word\n")
    writer.write_eof()
    assert await reader.read() == b"word\n"


async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random) -> None:
    """Waits for what does not come."""
    writer.write(b"silence\n")
    match chance.randrange(3):
        case 0:
            await cut_short(reader.readline(), chance)
        case 1:
            await cut_short(reader.read(), chance)
        case _:
            await cut_short(reader.readexactly(9), chance)


async def drain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random) -> None:
    """Waits for room that the server does not make: it is not answered a line that does not end."""
    writer.transport.set_write_buffer_limits(0)
    writer.write(bytes(PLENTY))
    await cut_short(writer.drain(), chance)
    writer.transport.abort()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random) -> None:
    writer.write(b"word\n")
    linger_for_nothing(writer.get_extra_info("socket"))
    writer.transport.abort()


USES: list[Use] = [talk, end, half_close, read, drain, reset]


async def client(chance: random.Random, uses: list[Use], connect: Callable[..., Any], *address: Any) -> None:
    reader, writer = await connect(*address)
    try:
        await chance.choice(uses)(reader, writer, chance)
    finally:
        writer.close()
        with contextlib.suppress(*FAILURES):
            await writer.wait_closed()


async def cycle(chance: random.Random) -> None:
    async with serving() as address:
        clients = [client(chance, [use], asyncio.open_connection, *address) for use in USES]
        await asyncio.gather(*clients)
        more = [client(chance, USES, asyncio.open_connection, *address) for _ in range(6)]
        await asyncio.gather(*(cut_short(work, chance) for work in more))
