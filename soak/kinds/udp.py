"""UDP, connected and not, answered and refused."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import Any

from kinds.support import HOST, cut_short, turns


class Datagrams(asyncio.DatagramProtocol):
    """Counts; `some` is set by the first datagram or error, `lost` at the end."""

    def __init__(self, answers: bool = False) -> None:
        self.answers = answers
        self.transport: Any = None
        self.some, self.lost = asyncio.Event(), asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        if self.answers:
            self.transport.sendto(data, address)
        self.some.set()

    def error_received(self, error: Exception) -> None:
        self.some.set()

    def connection_lost(self, error: BaseException | None) -> None:
        self.lost.set()


async def endpoint(answers: bool = False, **where: Any) -> Datagrams:
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_datagram_endpoint(lambda: Datagrams(answers), **where)
    return protocol


async def end(protocol: Datagrams, chance: random.Random) -> None:
    chance.choice([protocol.transport.close, protocol.transport.abort])()
    await protocol.lost.wait()


async def answered(address: Any, chance: random.Random) -> None:
    if chance.random() < 0.5:
        protocol = await endpoint(remote_addr=address)
        destination = None
    else:
        protocol = await endpoint(local_addr=(HOST, 0))
        destination = address
    try:
        for size in (0, 1, 1000, 20_000):
            protocol.transport.sendto(bytes(size), destination)
        await protocol.some.wait()
    finally:
        await end(protocol, chance)


async def refused(chance: random.Random) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        address = probe.getsockname()
    protocol = await endpoint(remote_addr=address)
    protocol.transport.sendto(b"x")
    await protocol.some.wait()
    await end(protocol, chance)


async def cycle(chance: random.Random) -> None:
    server = await endpoint(answers=True, local_addr=(HOST, 0))
    address = server.transport.get_extra_info("sockname")
    await asyncio.gather(*(answered(address, chance) for _ in range(4)))
    await asyncio.gather(*(cut_short(answered(address, chance), chance) for _ in range(4)))
    await refused(chance)
    await turns(3)
    await end(server, chance)
