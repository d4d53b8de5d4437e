"""What `start_tls` makes of a connection: two transports, one on top of the other, and TLS in TLS."""

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import sys
import weakref

import pytest
from conftest import needs_ironloop
from support import PATIENCE, Recorder, connected, connected_to_socket, turns, until
from tls_support import MANY


def only_ours(loop_name, tls_path, why):
    """Skips what asyncio's own TLS does otherwise, on its loop or on ours."""
    if "asyncio" in (loop_name, tls_path):
        pytest.skip(why)


async def upgrade(client, server, client_tls, server_tls, **of_server):
    """Both ends of a connection go over; their protocols get new transports. The server is ready first."""
    loop = asyncio.get_running_loop()

    async def go_over(end, context, **more):
        end.plain, end.transport = end.transport, await loop.start_tls(end.transport, end, context, **more)

    await asyncio.gather(
        go_over(server, server_tls, server_side=True, **of_server),
        go_over(client, client_tls, server_hostname="localhost"),
    )


@contextlib.asynccontextmanager
async def upgraded(client_tls, server_tls, levels=1, client=Recorder, server=Recorder):
    async with connected(client=client, server=server) as (near, far):
        for _ in range(levels):
            await upgrade(near, far, client_tls, server_tls)
        yield near, far


LEVELS = pytest.mark.parametrize("levels", [1, 2], ids=["TLS", "TLS in TLS"])


@LEVELS
def test_what_was_written_before_close_arrives(run, server_tls, client_tls, levels):
    """Though the socket is full. Then both hear of the end, and not of an error."""

    async def main():
        async with upgraded(client_tls, server_tls, levels) as (client, server):
            server.transport.pause_reading()
            client.transport.write(bytes(MANY))
            client.transport.write(b"last")
            await turns(5)
            client.transport.close()
            client.transport.write(b"too late")
            server.transport.resume_reading()
            assert await asyncio.wait_for(server.lost, PATIENCE) is None
            assert await asyncio.wait_for(client.lost, PATIENCE) is None
            assert len(server.data) == MANY + 4 and server.data.endswith(b"last")

    run(main)


@LEVELS
def test_a_protocol_is_paused_and_resumed(run, server_tls, client_tls, levels):
    async def main():
        async with upgraded(client_tls, server_tls, levels) as (client, server):
            server.transport.pause_reading()
            sent = 0
            while client.calls[-1] != "pause":
                client.transport.write(bytes(500_000))
                sent += 500_000
                await turns()
            assert client.transport.get_write_buffer_size() > 0
            server.transport.resume_reading()
            await server.received(sent)
            await until(lambda: client.calls[-1] == "resume")
            client.transport.write(b"more")
            await server.received(sent + 4)

    run(main)


@LEVELS
def test_who_is_paused_gets_nothing_until_it_is_resumed(run, server_tls, client_tls, levels):
    async def main():
        async with upgraded(client_tls, server_tls, levels) as (client, server):
            server.transport.pause_reading()
            assert not server.transport.is_reading()
            client.transport.write(bytes(100_000))
            await turns(20)
            assert server.data == b""
            server.transport.resume_reading()
            assert server.transport.is_reading()
            await server.received(100_000)
            client.transport.close()
            await server.lost

    run(main)


@LEVELS
def test_abort_ends_at_once(run, server_tls, client_tls, levels):
    async def main():
        async with upgraded(client_tls, server_tls, levels) as (client, server):
            client.transport.write(bytes(MANY))
            client.transport.abort()
            assert client.transport.is_closing() and client.plain.is_closing()
            assert await asyncio.wait_for(client.lost, PATIENCE) is None
            await asyncio.wait_for(server.lost, PATIENCE)

    run(main)


@LEVELS
def test_the_one_beneath_still_tells_and_ends(run, loop_name, tls_path, server_tls, client_tls, levels):
    """It is the connection, as before."""
    is_stock = "asyncio" in (loop_name, tls_path)

    async def main():
        async with upgraded(client_tls, server_tls, levels) as (client, server):
            new, old = client.transport, client.plain
            assert new is not old
            for name in ("peername", "sockname"):
                assert new.get_extra_info(name) == old.get_extra_info(name) is not None
            assert new.get_extra_info("socket").fileno() == old.get_extra_info("socket").fileno() > 0
            assert (old.get_extra_info("ssl_object") is None) is (levels == 1)
            assert new.get_extra_info("ssl_object") is not old.get_extra_info("ssl_object")
            assert new.get_extra_info("cipher") and new.get_extra_info("sslcontext") is client_tls
            assert new._ssl_protocol._transport is old
            assert new.get_protocol() is client and old.get_protocol() is not client
            assert not new.can_write_eof() and not old.is_closing()
            old.close()
            # asyncio's of Python 3.11, and of the first 3.12, knows only of its own close().
            assert new.is_closing() or (is_stock and sys.version_info < (3, 13))
            assert await asyncio.wait_for(client.lost, PATIENCE) is None
            await asyncio.wait_for(server.lost, PATIENCE)

    run(main)


@LEVELS
def test_another_protocol_takes_over(run, server_tls, client_tls, levels):
    async def main():
        async with upgraded(client_tls, server_tls, levels) as (client, server):
            client.transport.write(b"first")
            await server.received(5)
            second = Recorder()
            server.transport.set_protocol(second)
            client.transport.write(b"second")
            await second.received(6)
            assert server.data == b"first"
            client.transport.close()
            assert await asyncio.wait_for(second.lost, PATIENCE) is None
            server.lost.set_result(None)

    run(main)


@LEVELS
def test_streams_of_unix_sockets_go_over(run, server_tls, client_tls, levels, tmp_path):
    path = str(tmp_path / "socket")

    async def main():
        async def handler(reader, writer):
            for _ in range(levels):
                assert await reader.readline() == b"STARTTLS\n"
                # Before the client knows that it may go over.
                writer.write(b"GO\n")
                await writer.start_tls(server_tls)
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()
            writer.close()
            await writer.wait_closed()
            ended.set()

        ended = asyncio.Event()
        async with await asyncio.start_unix_server(handler, path):
            reader, writer = await asyncio.open_unix_connection(path)
            for _ in range(levels):
                writer.write(b"STARTTLS\n")
                assert await reader.readline() == b"GO\n"
                await writer.start_tls(client_tls, server_hostname="localhost")
            for size in (1, 1000, 60_000):
                line = b"x" * size + b"\n"
                writer.write(line)
                assert await reader.readline() == line
            writer.close()
            await writer.wait_closed()
            await asyncio.wait_for(ended.wait(), PATIENCE)

    run(main)


@LEVELS
def test_a_reset_is_an_error_for_the_protocol(run, server_tls, client_tls, levels):
    async def main():
        async with upgraded(client_tls, server_tls, levels) as (client, server):
            plain = server.transport.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            server.transport.abort()
            assert isinstance(await asyncio.wait_for(client.lost, PATIENCE), ConnectionError)
            assert client.calls[0] == "made" and client.calls[-1] == "lost"

    run(main)


def test_a_connection_that_ends_in_the_handshake(run, loop_name, tls_path, client_tls):
    """Whoever waits for TLS hears of it, and so does the protocol, which knew the connection."""
    only_ours(loop_name, tls_path, "start_tls returns None there, and the protocol is not told")

    async def main():
        async with connected_to_socket() as (client, _):
            loop = asyncio.get_running_loop()
            going = asyncio.ensure_future(
                loop.start_tls(client.transport, client, client_tls, server_hostname="localhost")
            )
            await turns()
            client.transport.close()
            with pytest.raises(ConnectionAbortedError):
                await asyncio.wait_for(going, PATIENCE)
            assert await asyncio.wait_for(client.lost, PATIENCE) is None

    run(main)


@pytest.mark.parametrize("ends", ["close", "abort"])
def test_one_that_is_being_closed_becomes_no_other(run, loop_name, tls_path, client_tls, ends):
    """What aiohttp asks for: no transport, and no error. The protocol hears of its end first."""
    if sys.version_info < (3, 12):
        only_ours(loop_name, tls_path, "asyncio's of Python 3.11 waits for the handshake's time")

    async def main():
        async with connected_to_socket() as (client, _):
            getattr(client.transport, ends)()
            going = asyncio.get_running_loop().start_tls(
                client.transport, client, client_tls, server_hostname="localhost"
            )
            assert await asyncio.wait_for(going, PATIENCE) is None
            assert client.calls == ["made", "lost"] and client.lost.result() is None

    run(main)


def test_one_that_is_closed_becomes_no_other(run, loop_name, tls_path, client_tls):
    only_ours(loop_name, tls_path, "it waits for as long as a handshake may take")

    async def main():
        async with connected_to_socket() as (client, _):
            client.transport.close()
            await client.lost
            going = asyncio.get_running_loop().start_tls(
                client.transport, client, client_tls, server_hostname="localhost"
            )
            assert await asyncio.wait_for(going, PATIENCE) is None

    run(main)


def test_who_waits_has_the_transport_before_data_comes(run, loop_name, tls_path, server_tls, client_tls):
    """Also what comes in one piece with the end of the handshake: a protocol answers it by TLS."""
    only_ours(loop_name, tls_path, "the protocol gets it first, and answers in plain text")

    class Answering(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.write(data)

    async def main():
        async with connected_to_socket(Answering) as (server, peer):
            loop = asyncio.get_running_loop()

            async def go_over():
                server.transport = await loop.start_tls(
                    server.transport, server, server_tls, server_side=True
                )

            async def receive():
                incoming.write(await loop.sock_recv(peer, 65536))

            async def send():
                await loop.sock_sendall(peer, outgoing.read())

            peer.setblocking(False)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = client_tls.wrap_bio(incoming, outgoing, server_hostname="localhost")
            going = asyncio.ensure_future(go_over())
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await send()
                    await receive()
            client.write(b"early")
            await send()
            while True:
                try:
                    assert client.read() == b"early"
                    break
                except ssl.SSLWantReadError:
                    await receive()
            await going

    run(main)


def test_what_is_no_tls_ends_the_connection(run, loop_name, tls_path, client_tls):
    only_ours(loop_name, tls_path, "the protocol is not told there")

    async def main():
        async with connected_to_socket() as (client, peer):
            loop = asyncio.get_running_loop()
            peer.send(b"220 no TLS here\r\n")
            with pytest.raises(ssl.SSLError):
                await loop.start_tls(client.transport, client, client_tls, server_hostname="localhost")
            assert isinstance(await asyncio.wait_for(client.lost, PATIENCE), ssl.SSLError)

    run(main)


def test_what_the_context_refuses_ends_the_connection(run, loop_name, tls_path, server_tls):
    only_ours(loop_name, tls_path, "the protocol is not told there")

    async def main():
        async with connected_to_socket() as (client, _):
            with pytest.raises(ssl.SSLError, match="PROTOCOL_TLS_SERVER"):
                await asyncio.get_running_loop().start_tls(client.transport, client, server_tls)
            assert await asyncio.wait_for(client.lost, PATIENCE) is None

    run(main)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_who_is_cancelled_in_the_handshake_ends_the_connection(run, loop_name, tls_path, client_tls, count):
    only_ours(loop_name, tls_path, "the protocol is not told there")

    async def main():
        async with connected_to_socket() as (client, _):
            loop = asyncio.get_running_loop()
            going = asyncio.ensure_future(
                loop.start_tls(client.transport, client, client_tls, server_hostname="localhost")
            )
            await turns(count)
            going.cancel()
            with pytest.raises(asyncio.CancelledError):
                await going
            assert await asyncio.wait_for(client.lost, PATIENCE) is None

    run(main)


def test_one_whose_side_has_ended_cannot_go_over(run, loop_name, tls_path, client_tls):
    only_ours(loop_name, tls_path, "it waits for ever there, or for a minute")

    async def main():
        async with connected_to_socket() as (client, _):
            client.transport.write_eof()
            loop = asyncio.get_running_loop()
            with pytest.raises(RuntimeError):
                await asyncio.wait_for(
                    loop.start_tls(client.transport, client, client_tls, server_hostname="localhost"),
                    PATIENCE,
                )
            client.transport.abort()

    run(main)


@needs_ironloop
def test_it_is_the_transports_own(server_tls, client_tls):
    from ironloop import new_event_loop, tls_path

    async def main():
        async with upgraded(client_tls, server_tls, 2) as (client, _):
            for transport in (client.plain, client.transport):
                assert transport.__class__.__name__ == "SSLStreamTransport"
            assert client.plain.get_protocol() is client.transport

    if tls_path() == "asyncio":
        pytest.skip("not here")
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())


@needs_ironloop
def test_both_transports_go_when_the_connection_has_ended(server_tls, client_tls):
    from ironloop import new_event_loop

    class Noting(Recorder):
        pass

    async def main():
        async with upgraded(client_tls, server_tls, 2, Noting, Noting) as (client, server):
            noted.extend(map(weakref.ref, (client, server)))
            client.transport.close()
            await client.lost
            await server.lost

    noted = []
    gc.collect()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(main())
            runner.run(turns(3))
            assert [one() for one in noted] == [None, None]
    finally:
        gc.enable()


def test_a_peer_that_is_paused_in_the_middle_of_tls_in_tls_can_end(
    run, loop_name, tls_path, server_tls, client_tls
):
    only_ours(loop_name, tls_path, "half a minute there")

    async def main():
        async with upgraded(client_tls, server_tls, 2) as (client, server):
            client.transport.pause_reading()
            server.transport.write(bytes(300_000))
            await turns(20)
            client.transport.close()
            assert await asyncio.wait_for(client.lost, PATIENCE) is None
            await asyncio.wait_for(server.lost, PATIENCE)

    run(main)


@pytest.mark.parametrize("size", [20_000, 60_000, 300_000])
def test_a_peer_that_ends_its_side_and_reads_nothing_is_not_waited_for(
    run, loop_name, tls_path, server_tls, client_tls, size
):
    """Wherever what was written lies: on top, or beneath."""
    if size > 200_000:
        only_ours(loop_name, tls_path, "it waits for ever there")

    async def main():
        async with connected() as (client, server):
            near, far = (end.transport.get_extra_info("socket") for end in (client, server))
            far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await upgrade(client, server, client_tls, server_tls, ssl_shutdown_timeout=0.05)
            client.transport.pause_reading()
            server.transport.write(bytes(size))
            with socket.socket(fileno=os.dup(near.fileno())) as raw:
                raw.shutdown(socket.SHUT_WR)
            error = await asyncio.wait_for(server.lost, PATIENCE)
            assert error is None or isinstance(error, TimeoutError)
            client.transport.abort()

    run(main)
