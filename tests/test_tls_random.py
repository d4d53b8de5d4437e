"""Random programs over one connection: whatever its ends do, whenever TLS begins: what is written arrives.

A program writes, pauses, resumes, exchanges protocols, goes over to TLS and to TLS in that, ends its side,
closes or aborts. All that is written to a connection that is closed in good order is delivered, in order,
and then the end; of one that is aborted what comes is the beginning of it.
"""

import asyncio
import os
import random

import pytest
from support import HOST, PATIENCE, Recorder, turns, until

SEED = int(os.environ.get("IRONLOOP_TEST_SEED", "0"))
SIZES = (1, 10, 1000, 16384, 16385, 65536, 70_000, 300_000)
DEEPEST = 2


class Bytes(Recorder):
    """Notes what comes; keeps its side open after the end of the other's."""

    def __init__(self, end):
        super().__init__()
        self.end = end

    def data_received(self, data):
        self.end.got += data

    def eof_received(self):
        super().eof_received()
        # No effect with TLS, and a warning.
        return self.end.level == 0


class Buffers(Bytes, asyncio.BufferedProtocol):
    """The same, by buffers of its own, smaller than a record."""

    def get_buffer(self, hint):
        # A view: asyncio's TLS fills slices of what it gets.
        self.buffer = memoryview(bytearray(1 + self.end.rng.randrange(20_000)))
        return self.buffer

    def buffer_updated(self, count):
        self.data_received(bytes(self.buffer[:count]))


class End:
    """One side of the connection."""

    def __init__(self, rng):
        self.rng = rng
        self.level = 0
        self.got, self.written = bytearray(), bytearray()
        self.protocol = self.make()

    def make(self):
        return self.rng.choice((Bytes, Buffers))(self)

    def write(self):
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            data = self.rng.randbytes(self.rng.choice(SIZES))
            self.written += data
            self.transport.write(self.rng.choice((bytes, bytearray, memoryview))(data))

    def exchange(self):
        """Another protocol, which knows of the connection already."""
        old, self.protocol = self.protocol, self.make()
        self.protocol.transport, self.protocol.lost = self.transport, old.lost
        self.transport.set_protocol(self.protocol)

    def resume(self):
        # asyncio's transport with TLS fails once it has forgotten its connection.
        if getattr(self.transport, "_ssl_protocol", self) is not None:
            self.transport.resume_reading()

    async def upgrade(self, context, server_side):
        self.transport = await asyncio.get_running_loop().start_tls(
            self.transport,
            self.protocol,
            context,
            server_side=server_side,
            server_hostname=None if server_side else "localhost",
        )
        self.level += 1


class Connection:
    def __init__(self, rng, near, far, contexts):
        self.rng, self.ends, self.contexts = rng, (near, far), contexts

    def some(self):
        end = self.rng.choice(self.ends)
        return end, self.ends[1 - self.ends.index(end)]

    async def settle(self, of=None):
        """All that an end has written is there."""
        near, far = self.ends
        for end, other in ((near, far), (far, near)):
            if of in (None, end):
                other.resume()
                await until(lambda end=end, other=other: len(other.got) >= len(end.written))
                assert other.got == end.written

    async def step(self):
        end, _ = self.some()
        match self.rng.choice("wwwwprrxtts"):
            case "w":
                end.write()
            case "p":
                end.transport.pause_reading()
            case "r":
                end.resume()
            case "x":
                end.exchange()
            case "t":
                await turns(self.rng.randrange(5))
            case "s":
                await self.settle()
                if end.level < DEEPEST and self.rng.randrange(2):
                    near, far = self.ends
                    await asyncio.gather(
                        # The server first: what the client says must find it there.
                        far.upgrade(self.contexts[1], True),
                        near.upgrade(self.contexts[0], False),
                    )

    async def finish(self):
        end, other = self.some()
        how = self.rng.choice(("close", "close", "abort", "eof"))
        if how == "eof" and end.level == 0:
            end.write()
            end.transport.write_eof()
            other.write()
            await self.settle()
            await asyncio.wait_for(other.protocol.eof, PATIENCE)
            # Both have kept their sides open.
            other.transport.close()
            end.transport.close()
        elif how == "abort":
            end.write()
            end.transport.abort()
            ended = (other.protocol.eof, other.protocol.lost)
            other.resume()
            await asyncio.wait(ended, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            other.transport.close()
        else:
            await self.settle(other)
            end.write()
            end.transport.close()
            await turns(self.rng.randrange(5))
            await self.settle(end)
            # In plain text it has kept its side open.
            other.transport.close()
        other.resume()
        for protocol in (end.protocol, other.protocol):
            await asyncio.wait_for(protocol.lost, PATIENCE)
        if how == "abort":
            assert end.written.startswith(other.got) and other.written.startswith(end.got)
        else:
            assert other.got == end.written and end.got == other.written


async def play(seed, client_tls, server_tls):
    rng = random.Random(seed)
    near, far = End(rng), End(rng)
    loop = asyncio.get_running_loop()
    level = rng.randrange(2)
    server = await loop.create_server(lambda: far.protocol, HOST, 0, ssl=server_tls if level else None)
    async with server:
        tls = {"ssl": client_tls, "server_hostname": "localhost"} if level else {}
        near.transport, _ = await loop.create_connection(
            lambda: near.protocol, *server.sockets[0].getsockname(), **tls
        )
        far.transport = await far.protocol.made
        near.level = far.level = level
        connection = Connection(rng, near, far, (client_tls, server_tls))
        for _ in range(rng.randrange(4, 40)):
            await connection.step()
        await connection.finish()


@pytest.mark.parametrize("batch", range(5))
def test_what_is_written_arrives_in_order(run, server_tls, client_tls, batch):
    async def main():
        for seed in range(SEED + 8 * batch, SEED + 8 * (batch + 1)):
            try:
                async with asyncio.timeout(PATIENCE):
                    await play(seed, client_tls, server_tls)
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise

    run(main)
