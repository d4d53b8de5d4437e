"""What TLS of ironloop costs: turns, memory, cycles."""

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import threading
import weakref

import ironloop
import pytest
from conftest import needs_ironloop, server_context
from support import HOST, PATIENCE, Echo, Recorder, serving, until
from tls_support import connect


@needs_ironloop
def test_a_failed_handshake_leaves_no_cycle(server_tls):
    """Of ours: asyncio's own `create_connection` left one with the error until 2026."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    transports = []

    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo, ssl=server_tls) as address:
            with socket.create_connection(address) as sock:
                sock.setblocking(False)
                waiter, protocol = loop.create_future(), Recorder()
                transport = loop._make_ssl_transport(
                    sock, protocol, context, waiter, server_hostname="localhost"
                )
                transports.append(weakref.ref(transport))
                with contextlib.suppress(ssl.SSLCertVerificationError):
                    await waiter
                assert transport.is_closing()
                assert protocol.calls == []
                del waiter, transport, protocol
                await until(lambda: transports[0]() is None)

    gc.collect()
    gc.disable()
    try:
        ironloop.run(main())
    finally:
        gc.enable()


def protocol_outlives_a_failed_connection(loop_factory, address) -> bool:
    """With the garbage collector off: the transport has the protocol."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    protocols = []

    def make():
        protocol = Recorder()
        protocols.append(weakref.ref(protocol))
        return protocol

    async def main():
        with contextlib.suppress(ssl.SSLCertVerificationError):
            await asyncio.get_running_loop().create_connection(
                make, *address, ssl=context, server_hostname="localhost"
            )
        await asyncio.sleep(0)

    gc.collect()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())
            return protocols[0]() is not None
    finally:
        gc.enable()


@needs_ironloop
def test_a_connection_that_was_not_made_leaves_no_cycle(server_tls):
    def behave(plain):
        with contextlib.suppress(OSError), server_tls.wrap_socket(plain, server_side=True):
            pass

    def serve():
        for _ in range(2):
            plain, _ = listener.accept()
            with plain:
                behave(plain)

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        address = listener.getsockname()
        ours = protocol_outlives_a_failed_connection(ironloop.new_event_loop, address)
        stock = protocol_outlives_a_failed_connection(asyncio.SelectorEventLoop, address)
        thread.join(PATIENCE)
    assert ours <= stock, "asyncio's own create_connection leaves one until the patch releases of 2026"


@needs_ironloop
def test_an_object_that_outlives_its_connection(server_tls, client_tls):
    kept = []

    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            client.transport.write(b"hello")
            await client.received(5)
            kept.append(client.transport.get_extra_info("ssl_object"))
            client.transport.abort()
            await client.lost

    ironloop.run(main())
    gc.collect()
    (ssl_object,) = kept
    assert ssl_object.version().startswith("TLSv1")
    with pytest.raises(ssl.SSLError):
        ssl_object.read(100)
    kept.clear()


@needs_ironloop
def test_handshakes_in_great_numbers_leave_room_for_others(authority, client_tls):
    """A handshake takes a signature's time: so few of them go on in one turn. All come to their end."""
    count, most = 40, 4
    context, turns, seen = server_context(authority), 0, []
    context.sni_callback = lambda *_: seen.append(turns)

    async def main():
        nonlocal turns
        loop = asyncio.get_running_loop()

        def turn():
            nonlocal turns
            turns += 1
            ticking[0] = loop.call_soon(turn)

        ticking = [loop.call_soon(turn)]
        async with serving(Echo, ssl=context) as address:
            clients = await asyncio.gather(*(connect(address, client_tls) for _ in range(count)))
            for client in clients:
                client.transport.close()
            await asyncio.gather(*(client.lost for client in clients))
        ticking[0].cancel()

    ironloop.run(main())
    assert len(seen) == count
    assert max(seen.count(turn) for turn in set(seen)) <= most


@needs_ironloop
def test_handshakes_that_start_tls_begins_leave_room_for_others_too(authority, client_tls):
    count, most = 40, 4
    context, turns, seen = server_context(authority), 0, []
    context.sni_callback = lambda *_: seen.append(turns)

    async def serve(reader, writer):
        writer.write(b".")
        await writer.start_tls(context)
        await reader.read()
        writer.close()

    async def main():
        nonlocal turns
        loop = asyncio.get_running_loop()

        def turn():
            nonlocal turns
            turns += 1
            ticking[0] = loop.call_soon(turn)

        async def client():
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            # Then the server takes what comes for a handshake.
            assert await reader.readexactly(1) == b"."
            await writer.start_tls(client_tls, server_hostname="localhost")
            writer.close()
            await writer.wait_closed()

        ticking = [loop.call_soon(turn)]
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            await asyncio.gather(*(client() for _ in range(count)))
        ticking[0].cancel()

    ironloop.run(main())
    assert len(seen) == count
    assert max(seen.count(turn) for turn in set(seen)) <= most


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@needs_ironloop
def test_an_idle_connection_takes_little_memory(server_tls, client_tls):
    """Some 26 KiB an end, most of it OpenSSL's; asyncio's buffers alone are 256."""
    count = 200

    async def main():
        async with serving(Echo, ssl=server_tls) as address:

            async def talking():
                client = await connect(address, client_tls)
                client.transport.write(bytes(1000))
                await client.received(1000)
                return client

            clients = [await talking() for _ in range(20)]
            before = resident()
            clients += [await talking() for _ in range(count)]
            taken = resident() - before
            for client in clients:
                client.transport.close()
            await asyncio.gather(*(client.lost for client in clients))
            assert taken < 2 * count * 100_000

    ironloop.run(main())
