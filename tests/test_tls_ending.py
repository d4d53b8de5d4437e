"""How TLS connections end, in good order and otherwise; and TLS begun on connections that exist."""

import asyncio
import contextlib
import socket
import ssl
import threading

import pytest
from support import HOST, PATIENCE, Echo, Recorder, open_descriptors, reset, serving, until
from tls_support import blocking_server, connect


def test_the_end_without_close_notify_is_an_end_too(run, server_tls, client_tls):
    def behave(tls):
        tls.sendall(b"all of it")
        socket.socket.shutdown(tls, socket.SHUT_WR)
        with contextlib.suppress(OSError):
            tls.recv(100)

    async def main():
        with blocking_server(server_tls, behave) as address:
            client = await connect(address, client_tls)
            await client.lost
            assert client.data == b"all of it"
            assert client.calls == ["made", "data", "eof", "lost"]

    run(main)


def test_the_end_with_close_notify(run, server_tls, client_tls):
    def behave(tls):
        tls.sendall(b"all of it")
        tls.unwrap()

    async def main():
        with blocking_server(server_tls, behave) as address:
            client = await connect(address, client_tls)
            assert await client.lost is None
            assert client.calls == ["made", "data", "eof", "lost"]

    run(main)


def test_what_comes_before_the_peers_close_notify_is_delivered(run, server_tls, client_tls):
    data = bytes(3_000_000)

    class Sending(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(data)
            transport.close()

    async def main():
        async with serving(Sending, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            client.transport.pause_reading()
            await asyncio.sleep(0.01)
            client.transport.resume_reading()
            assert await client.lost is None
            assert client.data == data

    run(main)


def test_close_sends_what_is_buffered(run, server_tls, client_tls):
    """The peer is slow: what was written before the close arrives, then the end."""
    data = bytes(range(256)) * 20_000
    got = bytearray()

    def behave(tls):
        while chunk := tls.recv(100_000):
            got.extend(chunk)
        tls.unwrap()

    async def main():
        with blocking_server(server_tls, behave) as address:
            client = await connect(address, client_tls)
            client.transport.write(data)
            client.transport.close()
            client.transport.write(b"dropped")
            assert client.transport.is_closing()
            assert await asyncio.wait_for(client.lost, PATIENCE) is None
            # The blocking server ends when it has read all.
            await asyncio.to_thread(lambda: None)

    run(main)
    assert got == data


def test_a_peer_that_never_answers_the_shutdown_does_not_linger(run, server_tls, client_tls):
    may_end = threading.Event()

    def behave(tls):
        may_end.wait(PATIENCE)

    async def main():
        with blocking_server(server_tls, behave) as address:
            client = await connect(address, client_tls, ssl_shutdown_timeout=0.05)
            client.transport.close()
            await asyncio.wait_for(client.lost, PATIENCE)
            may_end.set()

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_a_peer_that_reads_nothing_does_not_linger(run, server_tls, client_tls):
    may_end = threading.Event()

    def behave(tls):
        may_end.wait(PATIENCE)

    async def main():
        with blocking_server(server_tls, behave) as address:
            client = await connect(address, client_tls, ssl_shutdown_timeout=0.05)
            client.transport.write(bytes(20_000_000))
            client.transport.close()
            await asyncio.wait_for(client.lost, PATIENCE)
            may_end.set()

    run(main)


def test_a_reset(run, server_tls, client_tls):
    async def main():
        with blocking_server(server_tls, reset) as address:
            client = await connect(address, client_tls)
            error = await client.lost
            assert isinstance(error, ConnectionResetError | None)
            assert client.calls[-1] == "lost"

    run(main)


def test_abort_ends_at_once(run, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            client.transport.abort()
            assert await client.lost is None
            assert client.calls == ["made", "lost"]

    run(main)


def test_a_client_that_never_begins_the_handshake(loop, server_tls):
    """The server gives up, tells nobody but the log, and serves on."""
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))

    async def main():
        options = {"ssl": server_tls, "ssl_handshake_timeout": 0.05, "ssl_shutdown_timeout": 0.05}
        async with serving(Echo, **options) as address:
            reader, writer = await asyncio.open_connection(*address)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    loop.run_until_complete(main())
    for context in contexts:
        assert isinstance(context["exception"], ConnectionAbortedError)


@pytest.mark.parametrize("timeout", [0, -1])
@pytest.mark.parametrize("keyword", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
def test_timeouts_are_checked(run, client_tls, keyword, timeout):
    async def main():
        create_connection = asyncio.get_running_loop().create_connection
        near, far = socket.socketpair()
        with near, far:
            options = {"ssl": client_tls, "server_hostname": "localhost", keyword: timeout}
            with pytest.raises(ValueError, match=f"{keyword} should be a positive number"):
                await create_connection(Recorder, sock=near, **options)
            with pytest.raises(ValueError, match=f"{keyword} is only meaningful with ssl"):
                await create_connection(Recorder, sock=near, **{keyword: 1})

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_a_server_that_closes_leaves_its_connections(run, server_tls, client_tls):
    async def main():
        ends = []

        class Server(Echo):
            def connection_made(self, transport):
                super().connection_made(transport)
                ends.append(self)

        server = await asyncio.get_running_loop().create_server(Server, HOST, 0, ssl=server_tls)
        address = server.sockets[0].getsockname()
        client = await connect(address, client_tls)
        client.transport.write(b"before")
        await client.received(6)
        server.close()
        client.transport.write(b"after")
        assert await client.received(11) == b"beforeafter"
        with pytest.raises(ConnectionRefusedError):
            await connect(address, client_tls)
        client.transport.close()
        await client.lost
        await asyncio.wait_for(ends[0].lost, PATIENCE)
        await asyncio.wait_for(server.wait_closed(), PATIENCE)

    run(main)


def test_flow_control_with_a_peer_that_reads_late(run, server_tls, client_tls):
    may_read = threading.Event()
    got = []

    def behave(tls):
        may_read.wait(PATIENCE)
        while chunk := tls.recv(1_000_000):
            got.append(len(chunk))
        tls.unwrap()

    async def main():
        with blocking_server(server_tls, behave) as address:
            client = await connect(address, client_tls)
            for _ in range(4):
                client.transport.write(bytes(5_000_000))
            assert "pause" in client.calls
            assert client.transport.get_write_buffer_size() > 0
            may_read.set()
            await until(lambda: "resume" in client.calls)
            client.transport.close()
            await client.lost

    run(main)
    assert sum(got) == 20_000_000


# start_tls


def test_tls_in_tls(run, server_tls, client_tls):
    """As through an HTTPS proxy: the inner session runs through the outer one."""

    class Upgrading(Recorder):
        def data_received(self, data):
            super().data_received(data)
            if self.data == b"UPGRADE":
                self.data.clear()
                self.upgrading = asyncio.ensure_future(self.upgrade())
            elif self.data.endswith(b"."):
                self.transport.write(bytes(self.data))
                self.data.clear()

        async def upgrade(self):
            outer = self.transport
            outer.write(b"GO")
            self.transport = await asyncio.get_running_loop().start_tls(
                outer, self, server_tls, server_side=True
            )

    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Upgrading, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            outer = client.transport
            outer.write(b"UPGRADE")
            assert await client.received(2) == b"GO"
            client.data.clear()
            client.transport = await loop.start_tls(outer, client, client_tls, server_hostname="localhost")
            assert client.transport.get_extra_info("sslcontext") is client_tls
            inner = bytes(1_000_000) + b"."
            client.transport.write(inner)
            assert await client.received(len(inner)) == inner
            client.transport.close()
            await client.lost

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_start_tls_after_the_peers_end_of_file_fails(run, client_tls):
    """At once, and not when the handshake has taken its time."""

    async def main():
        async def close(reader, writer):
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(close, HOST, 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b""
            with pytest.raises(OSError) as caught:
                async with asyncio.timeout(PATIENCE):
                    await writer.start_tls(client_tls, server_hostname="x", ssl_handshake_timeout=3600)
            assert not isinstance(caught.value, TimeoutError)
            writer.close()

    run(main)


def test_start_tls_with_a_peer_that_speaks_no_tls(run, client_tls):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as address:
            _, client = await loop.create_connection(Recorder, *address)
            with pytest.raises(ssl.SSLError):
                # Its own hello comes back.
                await loop.start_tls(client.transport, client, client_tls, server_hostname="localhost")
            assert client.transport.is_closing()

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_start_tls_times_out(run, client_tls):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.create_server((HOST, 0)) as listener:
            _, client = await loop.create_connection(Recorder, *listener.getsockname())
            with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer than"):
                await loop.start_tls(
                    client.transport, client, client_tls, server_hostname="x", ssl_handshake_timeout=0.05
                )
            assert client.transport.is_closing()

    run(main)


def test_start_tls_cancelled(run, client_tls):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.create_server((HOST, 0)) as listener:
            _, client = await loop.create_connection(Recorder, *listener.getsockname())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await loop.start_tls(client.transport, client, client_tls, server_hostname="x")
            assert client.transport.is_closing()
            sock = client.transport.get_extra_info("socket")
            await until(lambda: sock.fileno() == -1)

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_start_tls_by_streams_on_both_ends(run, server_tls, client_tls):
    """Plain lines, then TLS, then the end: nothing is lost between."""

    async def handler(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"GO\n")
        await writer.drain()
        await writer.start_tls(server_tls)
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    ended = asyncio.Event()

    async def main():
        async with await asyncio.start_server(handler, HOST, 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"GO\n"
            await writer.start_tls(client_tls, server_hostname="localhost")
            assert writer.get_extra_info("sslcontext") is client_tls
            for number in range(100):
                writer.write(b"%d\n" % number)
                await writer.drain()
                assert await reader.readline() == b"%d\n" % number
            writer.close()
            await writer.wait_closed()
            await asyncio.wait_for(ended.wait(), PATIENCE)

    run(main)
