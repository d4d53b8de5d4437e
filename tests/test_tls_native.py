"""TLS as ironloop has it: records, errors, paths, what is to be seen of it, what an idle one costs."""

import _ssl
import asyncio
import contextlib
import functools
import logging
import ssl
import threading

import ironloop
import pytest
from conftest import client_context, needs_ironloop, server_context
from support import PATIENCE, Echo, Recorder, serving
from tls_support import MANY, connect, raw_server


@pytest.mark.parametrize("size", [1, 16_383, 16_384, 16_385, 65_536, 65_537, 300_000])
def test_sizes_around_a_record_and_a_slice(run, server_tls, client_tls, size):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            data = bytes(number % 251 for number in range(size))
            for kind in (bytes, bytearray, memoryview):
                client.data.clear()
                client.transport.write(kind(data))
                assert await client.received(size) == data
            client.transport.close()
            await client.lost

    run(main)


def let_write_in_part(context):
    """Has OpenSSL write one record at a time, and say so."""
    ctypes = pytest.importorskip("ctypes")
    library = ctypes.CDLL(_ssl.__file__ if hasattr(_ssl, "__file__") else None)
    if not hasattr(library, "SSL_CTX_ctrl"):
        pytest.skip("OpenSSL's functions are hidden")
    # The first field of a context.
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    control, enable_partial_write = 33, 1
    library.SSL_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
    assert library.SSL_CTX_ctrl(pointer, control, enable_partial_write, None) & enable_partial_write


def test_openssl_that_writes_a_record_at_a_time(run, authority):
    server_tls, client_tls = server_context(authority), client_context(authority)
    let_write_in_part(server_tls)
    let_write_in_part(client_tls)
    data = bytes(number % 251 for number in range(300_000))

    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            for size in (50_000, len(data)):
                client.data.clear()
                client.transport.write(data[:size])
                assert await client.received(size) == data[:size]
            client.transport.close()
            await client.lost

    run(main)


@pytest.mark.parametrize("piece", [1, 3, 7, 100])
def test_records_that_come_in_pieces(run, server_tls, client_tls, piece):
    def behave(peer):
        peer.tls.write(b"in pieces, ")
        peer.tls.write(b"two records")
        records = peer.outgoing.read()
        for at in range(0, len(records), piece):
            peer.plain.sendall(records[at : at + piece])
        peer.read_to_end()
        peer.perform(peer.tls.unwrap)

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls)
            assert await client.received(22) == b"in pieces, two records"
            client.transport.close()
            await client.lost

    run(main)


def broken_record(peer):
    peer.tls.write(b"good")
    good = peer.outgoing.read()
    peer.tls.write(b"bad")
    bad = bytearray(peer.outgoing.read())
    bad[-1] ^= 1
    peer.plain.sendall(good + bad)


def no_record(peer):
    peer.tls.write(b"good")
    peer.plain.sendall(peer.outgoing.read() + b"GET / HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize("breaks", [broken_record, no_record])
def test_what_is_no_tls_ends_the_connection(run, server_tls, client_tls, breaks):
    def behave(peer):
        breaks(peer)
        with contextlib.suppress(OSError):
            while peer.plain.recv(1000):
                pass

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls)
            error = await asyncio.wait_for(client.lost, PATIENCE)
            assert isinstance(error, ssl.SSLError)
            assert error.reason

    run(main)


def test_the_peers_alert_is_an_error_with_its_name(run, server_tls, client_tls):
    def behave(peer):
        # A fatal alert, of which only OpenSSL knows the form: of a client that does not like the certificate.
        peer.plain.sendall(b"\x15\x03\x03\x00\x02\x02\x30")
        with contextlib.suppress(OSError):
            while peer.plain.recv(1000):
                pass

    client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_tls.check_hostname, client_tls.verify_mode = False, ssl.CERT_NONE

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls)
            assert isinstance(await asyncio.wait_for(client.lost, PATIENCE), ssl.SSLError)

    run(main)


def test_a_transport_that_cannot_say_its_end(run, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            assert not client.transport.can_write_eof()
            with pytest.raises(NotImplementedError):
                client.transport.write_eof()
            with pytest.raises(TypeError, match="expecting a bytes-like instance, got str"):
                client.transport.write("text")
            assert client.transport.get_write_buffer_limits() == (128 * 1024, 512 * 1024)
            client.transport.close()
            await client.lost

    run(main)


def test_what_programs_reach_for_by_asyncios_private_names(run, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            transport = client.transport
            assert isinstance(transport, asyncio.sslproto._SSLProtocolTransport)
            below = transport._ssl_protocol
            assert below._sslcontext is client_tls
            assert below._extra["ssl_object"] is transport.get_extra_info("ssl_object") is below._sslobj
            assert below._extra["peercert"] == transport.get_extra_info("peercert")
            assert below._app_transport is transport
            assert below._app_protocol is client
            assert below._transport.get_extra_info("sockname") == transport.get_extra_info("sockname")
            assert below._state is asyncio.sslproto.SSLProtocolState.WRAPPED
            assert not below._server_side
            assert below._server_hostname == "localhost"
            assert not below._app_reading_paused
            transport.pause_reading()
            assert below._app_reading_paused
            transport.resume_reading()
            transport.close()
            await client.lost
            assert below._transport is None

    run(main)


def test_plain_transports_have_no_protocol_of_tls(run):
    async def main():
        async with serving(Echo) as address:
            _, client = await asyncio.get_running_loop().create_connection(Recorder, *address)
            for name in ("_ssl_protocol", "get_read_buffer_size", "set_read_buffer_limits"):
                assert not hasattr(client.transport, name)
            assert not isinstance(client.transport, asyncio.sslproto._SSLProtocolTransport)
            client.transport.close()
            await client.lost

    run(main)


def test_limits_of_the_read_buffer(run, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            transport = client.transport
            assert transport.get_read_buffer_limits() == (64 * 1024, 256 * 1024)
            transport.set_read_buffer_limits(high=1000)
            assert transport.get_read_buffer_limits() == (250, 1000)
            transport.set_read_buffer_limits(low=10)
            assert transport.get_read_buffer_limits() == (10, 40)
            with pytest.raises(ValueError, match="must be >= low"):
                transport.set_read_buffer_limits(high=1, low=2)
            transport.write(b"hello")
            await client.received(5)
            assert transport.get_read_buffer_size() == 0
            transport.close()
            await client.lost

    run(main)


def test_a_protocol_is_exchanged_between_records(run, server_tls, client_tls):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            client.transport.write(b"one")
            await client.received(3)
            other = Recorder()
            client.transport.set_protocol(other)
            assert client.transport.get_protocol() is other
            client.transport.write(b"two")
            assert await other.received(3) == b"two"
            client.transport.close()
            await other.lost
            assert client.calls == ["made", "data"]

    run(main)


def test_who_aborts_in_connection_made_is_not_read_for(run, server_tls, client_tls):
    class Aborting(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.abort()

    async def main():
        async with serving(Aborting, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            client.transport.write(b"hello")
            await client.lost

    run(main)


def test_what_is_written_when_told_to_pause_comes_last(run, tls_path, server_tls, client_tls):
    if tls_path == "asyncio":
        pytest.skip("one big write does not pause there: what its transport beneath has does not count")
    got = []
    may_read = threading.Event()

    class Pausing(Recorder):
        def data_received(self, data):
            self.transport.write(b"a" * MANY)

        def pause_writing(self):
            super().pause_writing()
            self.transport.write(b"b" * 1000)
            self.transport.close()
            may_read.set()

    def behave(peer):
        peer.tls.write(b"go")
        peer.flush()
        may_read.wait(PATIENCE)
        got.append(peer.read_to_end())
        peer.perform(peer.tls.unwrap)

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls, Pausing)
            assert await asyncio.wait_for(client.lost, PATIENCE) is None

    run(main)
    assert got == [b"a" * MANY + b"b" * 1000]


@needs_ironloop
def test_the_path_is_shown(server_tls, client_tls, caplog):
    assert ironloop.tls_path() in ("openssl", "ssl")

    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            client.transport.close()
            await client.lost

    with caplog.at_level(logging.DEBUG, logger="asyncio"):
        ironloop.run(main(), debug=True)
    assert f"TLS by {ironloop.tls_path()}" in caplog.text
    assert "starts SSL handshake" in caplog.text
    assert "SSL handshake took" in caplog.text


@needs_ironloop
def test_methods_of_the_objects_own_are_called(server_tls, client_tls):
    """A context whose `SSLObject` reads in Python: it is asked, whatever could be done without it."""
    reads = []

    class Reading(ssl.SSLObject):
        def read(self, *arguments):
            data = super().read(*arguments)
            reads.append(data)
            return data

    client_tls.sslobject_class = Reading

    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            assert isinstance(client.transport.get_extra_info("ssl_object"), Reading)
            client.transport.write(b"hello")
            await client.received(5)
            client.transport.close()
            await client.lost

    try:
        ironloop.run(main())
    finally:
        del client_tls.sslobject_class
    assert b"hello" in reads


def test_limits_that_are_raised_resume_at_once(run, tls_path, server_tls, client_tls):
    """In plain text the kernel has to take something first."""

    async def main():
        async with serving(Recorder, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            while "pause" not in client.calls:
                client.transport.write(bytes(10_000))
            waiting = client.transport.get_write_buffer_size()
            client.transport.set_write_buffer_limits(waiting + 2, waiting + 1)
            assert client.calls[-1] == "resume"
            client.transport.set_write_buffer_limits(waiting - 2, 0)
            assert client.calls[-1] == "pause"
            client.transport.abort()
            await client.lost
            assert client.transport.get_write_buffer_size() == 0

    run(main)


def test_methods_that_are_put_into_the_place_of_the_ssl_modules_are_called(
    run, server_tls, client_tls, monkeypatch
):
    """As a tool does it that looks at what goes by."""
    seen = {"read": 0, "write": 0}

    def counting(name):
        method = getattr(ssl.SSLObject, name)

        @functools.wraps(method)
        def call(self, *arguments):
            seen[name] += 1
            return method(self, *arguments)

        return call

    for name in seen:
        monkeypatch.setattr(ssl.SSLObject, name, counting(name))

    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            client.transport.write(b"hello")
            await client.received(5)
            client.transport.close()
            await client.lost

    run(main)
    assert seen["read"] >= 2
    assert seen["write"] >= 2
