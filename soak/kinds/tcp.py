"""TCP by protocols: every way in which a connection ends, on either side."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from kinds.support import (
    HOST,
    PLENTY,
    Deaf,
    Echo,
    End,
    Factory,
    HalfOpenEcho,
    closing,
    cut_short,
    ended,
    linger_for_nothing,
    turns,
)

Ending = Callable[[End, random.Random], Awaitable[None]]


async def close(end: End, chance: random.Random) -> None:
    end.transport.write(b"x" * chance.choice([1, 1000, 300_000]))
    await end.some.wait()
    end.transport.close()


async def close_at_once(end: End, chance: random.Random) -> None:
    end.transport.writelines([b"never", b"answered"])
    await turns(chance.randrange(3))
    end.transport.close()


async def abort(end: End, chance: random.Random) -> None:
    end.transport.write(b"x" * chance.choice([1, PLENTY]))
    await turns(chance.randrange(4))
    end.transport.abort()


async def reset(end: End, chance: random.Random) -> None:
    end.transport.write(b"x" * 1000)
    await turns(chance.randrange(4))
    linger_for_nothing(end.transport.get_extra_info("socket"))
    end.transport.abort()


async def half_close(end: End, chance: random.Random) -> None:
    end.transport.write(b"x" * 1000)
    end.transport.write_eof()
    await end.lost.wait()


async def pause(end: End, chance: random.Random) -> None:
    end.transport.pause_reading()
    end.transport.write(b"x" * 100_000)
    await turns(chance.randrange(4))
    if chance.random() < 0.5:
        end.transport.resume_reading()
        await end.some.wait()
    end.transport.close()


async def forget(end: End, chance: random.Random) -> None:
    """The peer ends it: see `end_from_the_other_side`."""
    end.transport.write(b"x")
    await end.lost.wait()


ENDINGS: list[Ending] = [close, close_at_once, abort, reset, half_close, pause]


async def client(address: Any, chance: random.Random, make: Callable[[], End] = End) -> None:
    _, end = await asyncio.get_running_loop().create_connection(make, *address[:2])
    try:
        await chance.choice(ENDINGS)(end, chance)
    finally:
        await ended(end)


async def overfill(chance: random.Random) -> None:
    """The peer does not read: the writer is paused, and ends with bytes waiting."""
    accepted = Factory(Deaf)
    loop = asyncio.get_running_loop()
    async with closing(await loop.create_server(accepted, HOST, 0)) as address:
        _, end = await loop.create_connection(End, *address)
        end.transport.set_write_buffer_limits(high=chance.choice([0, 1000, 65536]))
        end.transport.write(bytes(PLENTY))
        await end.paused.wait()
        if chance.random() < 0.5:
            end.transport.close()
            accepted.ends[0].transport.resume_reading()
            await end.lost.wait()
        await ended(end, *accepted.ends)


async def end_from_the_other_side(chance: random.Random) -> None:
    accepted = Factory(End)
    loop = asyncio.get_running_loop()
    async with closing(await loop.create_server(accepted, HOST, 0)) as address:
        clients = [(await loop.create_connection(End, *address))[1] for _ in range(3)]
        waiting = [asyncio.ensure_future(forget(end, chance)) for end in clients]
        while len(accepted.ends) < 3 or any(end.transport is None for end in accepted.ends):
            await asyncio.sleep(0)
        for end in accepted.ends:
            if chance.random() < 0.5:
                linger_for_nothing(end.transport.get_extra_info("socket"))
            end.transport.abort()
        await asyncio.gather(*waiting)
        await ended(*accepted.ends)


async def in_vain(chance: random.Random) -> None:
    """Nobody listens, or the listener's queue is left as it is."""
    loop = asyncio.get_running_loop()
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        await cut_short(loop.create_connection(End, *nobody.getsockname()), chance, most=6)
        nobody.listen(1)
        await cut_short(client(nobody.getsockname(), chance), chance)


async def cycle(chance: random.Random) -> None:
    accepted = Factory(chance.choice([Echo, HalfOpenEcho]))
    server = await asyncio.get_running_loop().create_server(accepted, HOST, 0)
    async with closing(server) as address:
        await asyncio.gather(*(client(address, chance) for _ in range(6)))
        await asyncio.gather(*(cut_short(client(address, chance), chance) for _ in range(6)))
        while any(end.transport is None for end in accepted.ends):
            await asyncio.sleep(0)
        await ended(*accepted.ends)
    await overfill(chance)
    await end_from_the_other_side(chance)
    await in_vain(chance)
