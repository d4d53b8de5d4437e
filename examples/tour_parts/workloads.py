"""The work that the tour measures on each loop: async generators that yield how much one batch did."""

import asyncio
from collections.abc import AsyncIterator

CONNECTIONS = 10
MESSAGE = bytes(1024)
ECHOES = 20  # round trips of each connection in a batch


async def task_switches() -> AsyncIterator[int]:
    """100 tasks that give way to one another 100 times."""

    async def give_way() -> None:
        for _ in range(100):
            await asyncio.sleep(0)

    while True:
        await asyncio.gather(*(give_way() for _ in range(100)))
        yield 100 * 100


async def callbacks() -> AsyncIterator[int]:
    """1,000 callbacks scheduled, then run."""
    loop = asyncio.get_running_loop()
    while True:
        finished = loop.create_future()
        for number in range(999):
            loop.call_soon(abs, number)
        loop.call_soon(finished.set_result, None)
        await finished
        yield 1000


async def timers() -> AsyncIterator[int]:
    """1,000 timers set for the next few microseconds, then fired."""
    loop = asyncio.get_running_loop()
    while True:
        finished = loop.create_future()
        for number in range(999):
            loop.call_later(number * 1e-9, abs, number)
        loop.call_later(1e-6, finished.set_result, None)
        await finished
        yield 1000


async def tcp_echoes() -> AsyncIterator[int]:
    """Messages of 1 KiB sent back over 10 loopback connections; both ends are on the loop."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(EchoServer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    clients = [(await loop.create_connection(EchoClient, host, port))[1] for _ in range(CONNECTIONS)]
    try:
        while True:
            await asyncio.gather(*(client.ask(ECHOES) for client in clients))
            yield CONNECTIONS * ECHOES
    finally:
        for client in clients:
            client.transport.close()
        server.close()


class EchoServer(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class EchoClient(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def ask(self, times: int) -> asyncio.Future[None]:
        """Send the message and await it back, so many times."""
        self.left = times
        self.finished = asyncio.get_running_loop().create_future()
        self.send()
        return self.finished

    def send(self) -> None:
        self.missing = len(MESSAGE)
        self.transport.write(MESSAGE)

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        if self.missing > 0:
            return
        self.left -= 1
        if self.left:
            self.send()
        else:
            self.finished.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(error or ConnectionError("the echo server hung up"))


WORKLOADS = {
    "task switches": task_switches,
    "callbacks": callbacks,
    "timers": timers,
    "TCP echoes of 1 KiB": tcp_echoes,
}
