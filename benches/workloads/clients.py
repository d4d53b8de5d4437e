"""Clients of a bare server that sleeps whenever it has nothing to answer: what they send must wake it.

A client that sends what a turn has gathered at once wakes it once, where one that sends each request from its
callback wakes it again and again.
"""

from __future__ import annotations

import asyncio

from harness.workload import Stopwatch, asking

CONNECTIONS = (1, 10, 50)
SIZE = 1024
REQUEST = b"x" * SIZE


class Requests(asyncio.Protocol):
    """Asks, and asks again when the whole answer has come, for as long as `left` gives something."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self) -> None:
        self.missing = SIZE
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        if not self.missing:
            self.budget.answered()
            if self.budget.take():
                self.ask()


class Budget:
    """So many requests, whoever makes them."""

    def __init__(self, count: int) -> None:
        self.unasked = self.unanswered = count
        self.spent = asyncio.get_running_loop().create_future()

    def take(self) -> bool:
        self.unasked -= 1
        return self.unasked >= 0

    def answered(self) -> None:
        self.unanswered -= 1
        if not self.unanswered:
            self.spent.set_result(None)


@asking("client/protocol", CONNECTIONS, count=40_000, alone=8_000, answer="echo")
async def protocol(count: int, watch: Stopwatch, connections: int, port: int) -> None:
    loop = asyncio.get_running_loop()
    budget = Budget(count)
    made = [
        await loop.create_connection(lambda: Requests(budget), "127.0.0.1", port) for _ in range(connections)
    ]
    with watch:
        for _, asker in made:
            if budget.take():
                asker.ask()
        await budget.spent
    for transport, _ in made:
        transport.close()


@asking("client/aiohttp", CONNECTIONS, count=5_000, alone=2_000, answer="http")
async def aiohttp(count: int, watch: Stopwatch, connections: int, port: int) -> None:
    import aiohttp

    url = f"http://127.0.0.1:{port}/"
    unasked = iter(range(count))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def get() -> None:
            async with session.get(url) as response:
                await response.read()

        async def ask() -> None:
            for _ in unasked:
                await get()

        await asyncio.gather(*(get() for _ in range(connections)))
        with watch:
            await asyncio.gather(*(ask() for _ in range(connections)))
