"""How TLS connections end well, also where asyncio loses bytes, raises or waits."""

import asyncio
import logging
import threading

import pytest
from support import PATIENCE, Echo, Recorder, serving, turns
from tls_support import MANY, connect, raw_server


class Filling(Recorder):
    """Writes more than the kernel takes when it is told to."""

    def data_received(self, data):
        super().data_received(data)
        self.transport.write(bytes(MANY))


def test_a_peer_that_ends_its_side_gets_all_that_waits(run, server_tls, client_tls):
    """The peer says its end while our backlog is full, then reads: all arrives, and our end after it."""
    got = []

    def behave(peer):
        peer.tls.write(b"go")
        peer.say_end()
        got.append(len(peer.read_to_end()))

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls, Filling)
            assert await asyncio.wait_for(client.lost, PATIENCE) is None
            assert [call for call in client.calls if call not in ("pause", "resume")] == [
                "made",
                "data",
                "eof",
                "lost",
            ]

    run(main)
    assert got == [MANY]


def test_close_with_a_full_backlog_sends_all_and_the_end(run, server_tls, client_tls):
    got = []
    may_read = threading.Event()

    def behave(peer):
        peer.tls.write(b"go")
        peer.flush()
        may_read.wait(PATIENCE)
        got.append(len(peer.read_to_end()))
        peer.perform(peer.tls.unwrap)

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls, Filling)
            await client.received(2)
            client.transport.close()
            assert client.transport.is_closing()
            may_read.set()
            assert await asyncio.wait_for(client.lost, PATIENCE) is None

    run(main)
    assert got == [MANY]


def test_a_peer_that_is_paused_can_be_shut_down(run, tls_path, server_tls, client_tls):
    if tls_path == "asyncio":
        pytest.skip("data behind the pause is an error of the shutdown there, or it takes half a minute")

    def behave(peer):
        peer.tls.write(bytes(200_000))
        peer.flush()
        assert peer.read_to_end() == b""
        peer.perform(peer.tls.unwrap)

    class Paused(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls, Paused)
            client.transport.close()
            assert await asyncio.wait_for(client.lost, PATIENCE) is None
            assert client.data == b""

    run(main)


def test_data_that_crosses_our_end_is_no_error(run, tls_path, server_tls, client_tls):
    if tls_path == "asyncio":
        pytest.skip("APPLICATION_DATA_AFTER_CLOSE_NOTIFY there")

    def behave(peer):
        assert peer.read_to_end() == b"bye"
        peer.tls.write(b"and more")
        peer.perform(peer.tls.unwrap)

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls)
            client.transport.write(b"bye")
            client.transport.close()
            assert await asyncio.wait_for(client.lost, PATIENCE) is None

    run(main)


def test_a_peer_that_ends_without_a_word_is_not_waited_for(run, tls_path, server_tls, client_tls):
    """As TLS 1.3 lets it: it answers our end by that of its socket."""
    if tls_path == "asyncio":
        pytest.skip("waits for its answer until ssl_shutdown_timeout is over, and raises that")

    def behave(peer):
        assert peer.read_to_end() == b"bye"
        # Our side of the socket has ended, too.
        assert peer.plain.recv(100) == b""

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls)
            client.transport.write(b"bye")
            client.transport.close()
            assert await asyncio.wait_for(client.lost, PATIENCE) is None

    run(main)


@pytest.mark.parametrize("options", [{}, {"ssl_shutdown_timeout": 0.05}])
def test_a_peer_that_stays_silent_is_not_waited_for_long(
    run, tls_path, server_tls, client_tls, options, monkeypatch
):
    if tls_path == "asyncio":
        pytest.skip("waits for its answer until ssl_shutdown_timeout is over, and raises that")
    from ironloop import tls

    monkeypatch.setattr(tls, "ANSWER_TIMEOUT", 0.05)
    may_end = threading.Event()

    def behave(peer):
        assert peer.read_to_end() == b"bye"
        may_end.wait(PATIENCE)

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls, **options)
            client.transport.write(b"bye")
            client.transport.close()
            assert await asyncio.wait_for(client.lost, PATIENCE / 2) is None
            may_end.set()

    run(main)


def test_a_peer_that_does_not_take_all_is_an_error(run, server_tls, client_tls):
    may_end = threading.Event()

    def behave(peer):
        peer.tls.write(b"go")
        peer.flush()
        may_end.wait(PATIENCE)

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls, Filling, ssl_shutdown_timeout=0.05)
            await client.received(2)
            client.transport.close()
            error = await asyncio.wait_for(client.lost, PATIENCE)
            assert isinstance(error, TimeoutError)
            assert str(error) == "SSL shutdown timed out"
            may_end.set()

    run(main)


def test_what_is_written_after_close_is_dropped(run, server_tls, client_tls, caplog):
    async def main():
        async with serving(Echo, ssl=server_tls) as address:
            client = await connect(address, client_tls)
            client.transport.close()
            for _ in range(10):
                client.transport.write(b"too late")
            client.transport.write(b"")
            await client.lost

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        run(main)
    assert "SSL connection is closed" in caplog.text


def test_what_has_come_before_a_pause_comes_after_it(run, server_tls, client_tls):
    """Buffers that are smaller than a record, and a pause after each."""

    class Small(asyncio.BufferedProtocol, Recorder):
        def get_buffer(self, hint):
            self.buffer = bytearray(1000)
            return memoryview(self.buffer)

        def buffer_updated(self, count):
            self.data += self.buffer[:count]
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self.transport.resume_reading)

    data = bytes(range(256)) * 200

    def behave(peer):
        peer.tls.write(data)
        peer.flush()
        peer.read_to_end()
        peer.perform(peer.tls.unwrap)

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls, Small)
            assert await client.received(len(data)) == data
            client.transport.close()
            await asyncio.wait_for(client.lost, PATIENCE)

    run(main)


def test_the_end_waits_for_a_protocol_that_is_paused(run, tls_path, server_tls, client_tls):
    """Also if it has come together with data, as without TLS."""
    if tls_path == "asyncio":
        pytest.skip("it does not wait there, if it is in the same segment")

    class Pausing(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    def behave(peer):
        peer.tls.write(b"all of it")
        peer.say_end()
        assert peer.read_to_end() == b""

    async def main():
        with raw_server(server_tls, behave) as address:
            client = await connect(address, client_tls, Pausing)
            await client.received(9)
            await turns(5)
            assert client.calls == ["made", "data"]
            assert not client.transport.is_closing()
            client.transport.resume_reading()
            assert await asyncio.wait_for(client.lost, PATIENCE) is None
            assert client.calls == ["made", "data", "eof", "lost"]

    run(main)
