"""TLS for clients and servers, with certificates made in this test run."""

import asyncio
import contextlib
import random
import socket
import ssl

import pytest
import trustme
from support import HOST, Echo, Recorder, others_end, reset, serving
from tls_support import connect


async def close(protocol):
    protocol.transport.close()
    await protocol.lost


def test_protocols_talk(run, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            assert isinstance(client.transport, asyncio.Transport)
            assert isinstance(client.transport, client.transport.__class__)
            assert "ssl" in client.transport.__class__.__name__.lower()
            client.transport.write(b"secret")
            assert await client.received(6) == b"secret"
            await close(client)
            assert client.calls[0] == "made"
            assert client.calls[-1] == "lost"

    run(main)


def test_streams_talk(run, server_tls, client_tls):
    async def handler(reader, writer):
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    async def main():
        async with await asyncio.start_server(handler, HOST, 0, ssl=server_tls) as server:
            address = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(
                *address, ssl=client_tls, server_hostname="localhost"
            )
            writer.write(b"a line\n")
            assert await reader.read() == b"a line\n"
            writer.close()
            await writer.wait_closed()
        await others_end()

    run(main)


def test_a_large_transfer_both_ways(run, server_tls, client_tls):
    data = random.Random(5).randbytes(5_000_000)

    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            client.transport.write(data)
            assert await client.received(len(data)) == data
            await close(client)

    run(main)


def test_extra_info(run, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            info = client.transport.get_extra_info
            assert info("sslcontext") is client_tls
            assert isinstance(info("ssl_object"), ssl.SSLObject)
            assert ("DNS", "localhost") in info("peercert")["subjectAltName"]
            assert info("cipher") == info("ssl_object").cipher()
            assert info("peername") == address
            assert isinstance(info("socket"), asyncio.trsock.TransportSocket)
            await close(client)

    run(main)


def test_a_certificate_that_is_not_trusted(run, server_tls):
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trustme.CA().configure_trust(stranger)

    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(address, stranger)

    run(main)


def test_a_name_that_is_not_in_the_certificate(run, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                await connect(address, client_tls, server_hostname="other.example")
            client = await connect(address, client_tls)  # the server lives on
            await close(client)

    run(main)


def test_the_host_is_the_server_name_by_default(run, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls, server_hostname=None)
            await close(client)

    run(main)


def test_a_client_that_speaks_no_tls(run, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            await close(await connect(address, client_tls))

    run(main)


def test_a_server_that_never_answers_the_handshake(run, client_tls):
    async def main():
        with socket.create_server((HOST, 0)) as listener:
            with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer than"):
                await connect(listener.getsockname(), client_tls, ssl_handshake_timeout=0.05)

    run(main)


def test_a_peer_that_resets_in_the_handshake(run, client_tls):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.create_server((HOST, 0)) as listener:
            listener.setblocking(False)
            connecting = asyncio.create_task(connect(listener.getsockname(), client_tls))
            accepted, _ = await loop.sock_accept(listener)
            reset(accepted)
            with pytest.raises(ConnectionError):
                await connecting

    run(main)


def test_cancel_in_the_middle_of_the_handshake(run, client_tls):
    async def main():
        with socket.create_server((HOST, 0)) as listener:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connect(listener.getsockname(), client_tls), 0.05)

    run(main)


def test_the_server_closes_cleanly(run, server_tls, client_tls):
    class Closing(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"bye")
            transport.close()

    async def main():
        async with serving(Closing, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            assert await client.lost is None
            assert client.data == b"bye"
            assert client.calls == ["made", "data", "eof", "lost"]

    run(main)


def test_start_tls_upgrades_both_ends(run, server_tls, client_tls):
    class Upgrading(Recorder):
        """Upgrades when it is told to, then sends back what comes."""

        def data_received(self, data):
            super().data_received(data)
            if self.data == b"STARTTLS":
                self.transport.write(b"GO")
                self.upgrade = asyncio.ensure_future(self.start_tls())

        async def start_tls(self):
            loop = asyncio.get_running_loop()
            self.transport = await loop.start_tls(self.transport, self, server_tls, server_side=True)
            await self.received(len(b"STARTTLSencrypted"))
            self.transport.write(self.data)

    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Upgrading) as address:
            _, client = await loop.create_connection(Recorder, *address)
            client.transport.write(b"STARTTLS")
            assert await client.received(2) == b"GO"
            plain = client.transport
            client.transport = await loop.start_tls(plain, client, client_tls, server_hostname="localhost")
            assert client.transport is not plain
            client.transport.write(b"encrypted")
            assert await client.received(19) == b"GOSTARTTLSencrypted"
            assert client.transport.get_extra_info("sslcontext") is client_tls
            await close(client)

    run(main)


def test_stream_writers_upgrade(run, server_tls, client_tls):
    async def handler(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"GO\n")
        await writer.start_tls(server_tls)
        writer.write(await reader.readline())
        await writer.drain()
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def main():
        async with await asyncio.start_server(handler, HOST, 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"GO\n"
            await writer.start_tls(client_tls, server_hostname="localhost")
            writer.write(b"encrypted\n")
            assert await reader.readline() == b"encrypted\n"
            writer.close()
            await writer.wait_closed()

    run(main)


def test_start_tls_checks_its_arguments(run, client_tls):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as address:
            _, client = await loop.create_connection(Recorder, *address)
            with pytest.raises(TypeError, match="sslcontext is expected to be an instance of"):
                await loop.start_tls(client.transport, client, None)
            with pytest.raises(TypeError, match="is not supported by start_tls"):
                await loop.start_tls(asyncio.Transport(), client, client_tls)
            await close(client)

    run(main)


def test_many_tls_clients_at_once(run, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:

            async def talk(number):
                client = await connect(address, client_tls)
                client.transport.write(str(number).encode() * 1000)
                await client.received(len(str(number)) * 1000)
                await close(client)

            await asyncio.gather(*(talk(number) for number in range(30)))

    run(main)
