"""getaddrinfo of a literal, which needs no resolver, and of a name that the hosts file has."""

from __future__ import annotations

import asyncio
import socket

from harness.workload import Figure, Stopwatch, timed


async def look_up(host: str, count: int, watch: Stopwatch) -> None:
    loop = asyncio.get_running_loop()
    with watch:
        for _ in range(count):
            await loop.getaddrinfo(host, 80, type=socket.SOCK_STREAM)


@timed("getaddrinfo/literal", Figure.RATE, count=20_000)
async def literal(count: int, watch: Stopwatch) -> None:
    await look_up("127.0.0.1", count, watch)


@timed("getaddrinfo/name", Figure.RATE, count=5_000)
async def name(count: int, watch: Stopwatch) -> None:
    await look_up("localhost", count, watch)
