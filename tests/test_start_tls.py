"""start_tls takes a connection over in the state it is in: what is read ahead, and who is paused."""

import asyncio
import contextlib
import ssl
import threading

import pytest
from support import HOST, PATIENCE, Recorder, connected_to_socket, others_end, turns, until

# More than the kernel takes for a peer that does not read.
MANY = 20_000_000

# cpython#142352, uvloop#707: mended in the patch releases of 2026.
STOCK_HANDS_OVER = "_stream_reader" in asyncio.BaseEventLoop.start_tls.__code__.co_consts


class Handshaking:
    """A client's TLS over streams, piece by piece: what a program with other things in its segments does."""

    def __init__(self, context, reader, writer):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.reader, self.writer = reader, writer

    def hello(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    async def perform(self, operation):
        while True:
            try:
                return operation()
            except ssl.SSLWantReadError:
                self.writer.write(self.outgoing.read())
                data = await self.reader.read(65536)
                assert data, "the connection has ended"
                self.incoming.write(data)
            finally:
                self.writer.write(self.outgoing.read())


@pytest.mark.parametrize("limit", [2**16, 16], ids=["", "a reader that is full"])
def test_a_handshake_that_came_with_the_line_before_it(run, loop_name, server_tls, client_tls, limit):
    """As of a load balancer that says whom it speaks for (PROXY) and goes on with the client's bytes."""
    if loop_name == "asyncio" and not STOCK_HANDS_OVER:
        pytest.skip("cpython#142352: what the reader has is lost, and the handshake waits for it")

    async def main():
        hello = asyncio.get_running_loop().create_future()

        async def handler(reader, writer):
            assert await reader.readline() == b"PROXY\n"
            await until(lambda: reader._buffer == hello.result())
            await writer.start_tls(server_tls)
            assert await reader.readline() == b"encrypted\n"
            # More than a full reader takes.
            assert await reader.readexactly(200_000) == bytes(200_000)
            writer.write(b"all of it\n")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(handler, HOST, 0, limit=limit) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            client = Handshaking(client_tls, reader, writer)
            hello.set_result(client.hello())
            writer.write(b"PROXY\n" + hello.result())
            await client.perform(client.tls.do_handshake)
            await client.perform(lambda: client.tls.write(b"encrypted\n"))
            for _ in range(20):
                await client.perform(lambda: client.tls.write(bytes(10_000)))
            assert await client.perform(lambda: client.tls.read(100)) == b"all of it\n"
            writer.close()
            await writer.wait_closed()
            await others_end()

    run(main)


def test_what_a_client_has_not_read_stays_with_its_reader(run, server_tls, client_tls):
    """A server does not begin a handshake: what it has sent before was said in plain text."""

    async def main():
        upgraded = asyncio.get_running_loop().create_future()

        async def handler(reader, writer):
            writer.write(b"GO\nand more\n")
            await writer.start_tls(server_tls)
            writer.write(b"encrypted\n")
            await writer.drain()
            await upgraded
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(handler, HOST, 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.readline() == b"GO\n"
            await until(lambda: reader._buffer == b"and more\n")
            await writer.start_tls(client_tls, server_hostname="localhost")
            assert await reader.readline() == b"and more\n"
            assert await reader.readline() == b"encrypted\n"
            upgraded.set_result(None)
            writer.close()
            await writer.wait_closed()
            await others_end()

    run(main)


class Sender(Recorder):
    """Notes how much is still unsent when it may write again."""

    def resume_writing(self):
        super().resume_writing()
        self.left = self.plain.get_write_buffer_size()


def test_a_protocol_that_is_paused_is_resumed_once(run, loop_name, server_tls, client_tls):
    if loop_name == "asyncio":
        pytest.skip("cpython#109051: the TLS protocol does not know, and raises AssertionError when resumed")

    async def main():
        loop = asyncio.get_running_loop()
        async with connected_to_socket(Sender) as (client, peer):
            client.plain = client.transport
            client.plain.write(bytes(MANY))
            await until(lambda: client.calls == ["made", "pause"])

            def behave():
                left = MANY
                while left:
                    left -= len(peer.recv(min(left, 65536)))
                peer_tls = server_tls.wrap_socket(peer, server_side=True)
                assert peer_tls.recv(100) == b"ping"
                peer_tls.sendall(b"pong")
                return peer_tls

            serving = loop.run_in_executor(None, behave)
            client.transport = await loop.start_tls(
                client.plain, client, client_tls, server_hostname="localhost"
            )
            # What was written before is sent: the handshake came after it.
            assert client.calls == ["made", "pause", "resume"]
            assert client.left <= client.plain.get_write_buffer_limits()[0]
            client.transport.write(b"ping")
            assert await client.received(4) == b"pong"
            assert client.calls == ["made", "pause", "resume", "data"]
            (await serving).close()

    run(main)


def test_flow_control_goes_on_after_a_pause(run, loop_name, server_tls, client_tls):
    """The protocol is paused and resumed in turns, whatever it was when TLS began."""
    if loop_name == "asyncio":
        pytest.skip("cpython#109051")

    async def main():
        loop = asyncio.get_running_loop()
        may_read = threading.Event()
        async with connected_to_socket() as (client, peer):
            client.transport.write(bytes(MANY))
            await until(lambda: client.calls == ["made", "pause"])

            def behave():
                left = MANY
                while left:
                    left -= len(peer.recv(min(left, 65536)))
                peer_tls = server_tls.wrap_socket(peer, server_side=True)
                assert may_read.wait(PATIENCE)
                while peer_tls.recv(65536) != b"end":
                    pass
                return peer_tls

            serving = loop.run_in_executor(None, behave)
            client.transport = await loop.start_tls(
                client.transport, client, client_tls, server_hostname="localhost"
            )
            assert client.calls == ["made", "pause", "resume"]
            while client.calls[-1] != "pause":
                # Into the connection until that is full, then into the buffer that TLS has. A kernel that
                # makes more room may resume the protocol meanwhile.
                client.transport.write(bytes(1_000_000))
                await turns()
            may_read.set()
            await until(lambda: client.calls[-1] == "resume")
            assert client.calls[1::2] == ["pause"] * (len(client.calls) // 2)
            assert client.calls[2::2] == ["resume"] * (len(client.calls) // 2)
            client.transport.write(b"end")
            (await serving).close()

    run(main)


def test_streams_that_were_full_go_over(run, loop_name, server_tls, client_tls):
    if loop_name == "asyncio":
        pytest.skip("cpython#109051")

    async def main():
        release = asyncio.Event()

        async def handler(reader, writer):
            await release.wait()
            await reader.readexactly(MANY)
            await writer.start_tls(server_tls)
            writer.write(await reader.readline())
            await writer.drain()
            await reader.read()
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(handler, HOST, 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            loop, transport = asyncio.get_running_loop(), writer.transport
            writer.write(bytes(MANY))
            draining = asyncio.ensure_future(writer.drain())
            await until(lambda: writer._protocol._paused)
            # As `StreamWriter.start_tls` does, but without waiting for the others to read.
            upgrading = asyncio.ensure_future(
                loop.start_tls(transport, writer._protocol, client_tls, server_hostname="localhost")
            )
            await asyncio.sleep(0)
            assert not draining.done()
            release.set()
            writer._transport = await upgrading
            await draining
            writer.write(b"encrypted\n")
            assert await reader.readline() == b"encrypted\n"
            writer.close()
            await writer.wait_closed()
            await others_end()

    run(main)
