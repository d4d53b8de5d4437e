"""Sockets of the user's own: `sock_*` finished and cancelled, `sendfile`, watched descriptors."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import tempfile
from typing import IO

from kinds.support import FAILURES, HOST, PLENTY, Deaf, End, Factory, closing, cut_short, ended, pair, reset


async def operations(chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    with pair() as (near, far):
        received, _ = await asyncio.gather(loop.sock_recv(near, 10), loop.sock_sendall(far, b"x"))
        assert received == b"x"
        for work in (
            loop.sock_recv(near, 10),
            loop.sock_recv_into(near, bytearray(10)),
            loop.sock_recvfrom(near, 10),
            loop.sock_recvfrom_into(near, bytearray(10)),
            loop.sock_sendall(near, bytes(PLENTY)),
        ):
            await cut_short(work, chance)
    with pair() as (near, far):

        async def both() -> None:
            await asyncio.gather(loop.sock_recv(near, 1), loop.sock_recv_into(far, bytearray(1)))

        await cut_short(both(), chance)


async def connections(chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server((HOST, 0)) as listener:
        listener.setblocking(False)
        await cut_short(loop.sock_accept(listener), chance)
        for _ in range(2):
            with socket.socket() as near:
                near.setblocking(False)
                await loop.sock_connect(near, listener.getsockname())
                far, _ = await loop.sock_accept(listener)
                with far:
                    await loop.sock_sendall(near, b"x")
                    reset(far)
                    with contextlib.suppress(*FAILURES):
                        await loop.sock_recv(near, 1)
        with socket.socket() as near:
            near.setblocking(False)
            await cut_short(loop.sock_connect(near, listener.getsockname()), chance, most=3)


async def datagrams(chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as near, socket.socket(type=socket.SOCK_DGRAM) as far:
        for end in (near, far):
            end.setblocking(False)
            end.bind((HOST, 0))
        await loop.sock_sendto(near, b"x", far.getsockname())
        assert (await loop.sock_recvfrom(far, 10))[0] == b"x"
        await cut_short(loop.sock_recvfrom(far, 10), chance)


async def files(chance: random.Random, file: IO[bytes]) -> None:
    loop = asyncio.get_running_loop()
    with pair() as (near, far):
        far_too = loop.sock_recv(far, 1)
        await asyncio.gather(loop.sock_sendfile(near, file, 0, 1000), far_too)
        await cut_short(loop.sock_sendfile(near, file), chance)
    accepted = Factory(chance.choice([End, Deaf]))
    async with closing(await loop.create_server(accepted, HOST, 0)) as address:
        _, end = await loop.create_connection(End, *address)
        if accepted.kind is End:
            await loop.sendfile(end.transport, file)
        else:
            await cut_short(loop.sendfile(end.transport, file), chance)
        while not accepted.ends or accepted.ends[0].transport is None:
            await asyncio.sleep(0)
        await ended(end, *accepted.ends)


async def watched(chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    with pair() as (near, far):
        readable, writable = loop.create_future(), loop.create_future()

        def note(future: asyncio.Future[None]) -> None:
            if not future.done():
                future.set_result(None)

        loop.add_reader(near, note, readable)
        loop.add_writer(near, note, writable)
        await writable
        loop.remove_writer(near)
        far.send(b"x")
        await readable
        if chance.random() < 0.5:
            loop.add_reader(near, note, writable)
        assert loop.remove_reader(near)


async def cycle(chance: random.Random) -> None:
    await operations(chance)
    await connections(chance)
    await datagrams(chance)
    with tempfile.TemporaryFile() as file:
        file.truncate(PLENTY // 4)
        await files(chance, file)
    await watched(chance)
