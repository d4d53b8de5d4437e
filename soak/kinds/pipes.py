"""Pipes and pseudo-terminals, whose ends vanish."""

from __future__ import annotations

import asyncio
import os
import pty
import random
import tty
from typing import Any

from kinds.support import End, cut_short, turns


def opened(descriptor: int) -> Any:
    """As a file, which the transport closes."""
    return os.fdopen(descriptor, "rb+", buffering=0)


async def reading(descriptor: int) -> End:
    _, end = await asyncio.get_running_loop().connect_read_pipe(End, opened(descriptor))
    return end


async def writing(descriptor: int) -> End:
    _, end = await asyncio.get_running_loop().connect_write_pipe(End, opened(descriptor))
    return end


async def over(*ends: End) -> None:
    for end in ends:
        end.transport.close()
        await end.lost.wait()


async def through(chance: random.Random, source: int, sink: int) -> None:
    reader, writer = await reading(source), await writing(sink)
    writer.transport.write(b"x" * chance.choice([1, 1000]))
    await reader.some.wait()
    if chance.random() < 0.5:
        writer.transport.close()
        await reader.lost.wait()
    await over(reader, writer)


async def broken(chance: random.Random) -> None:
    """The reader goes while the writer waits for room."""
    source, sink = os.pipe()
    writer = await writing(sink)
    writer.transport.write(bytes(1024 * 1024))
    await writer.paused.wait()
    await turns(chance.randrange(3))
    if chance.random() < 0.5:
        writer.transport.abort()
        await writer.lost.wait()
        os.close(source)
    else:
        os.close(source)
        await writer.lost.wait()


async def by_streams(chance: random.Random) -> None:
    source, sink = os.pipe()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), opened(source))
    await cut_short(reader.readline(), chance)
    os.write(sink, b"line\n")
    os.close(sink)
    rest: Any = await reader.read()
    assert rest == b"line\n"
    transport.close()
    await turns(2)


async def terminal(chance: random.Random) -> None:
    leader, follower = pty.openpty()
    tty.setraw(follower)
    reader, writer = await reading(leader), await writing(follower)
    writer.transport.write(b"typed")
    await reader.some.wait()
    # The leader sees an error when the last follower is closed.
    await over(*chance.choice([(reader, writer), (writer, reader)]))


async def cycle(chance: random.Random) -> None:
    await asyncio.gather(*(through(chance, *os.pipe()) for _ in range(3)))
    await broken(chance)
    await by_streams(chance)
    await terminal(chance)
