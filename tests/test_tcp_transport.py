"""The TCP transport: writing, closing, half-closing, pausing, and what a protocol sees."""

import asyncio
import contextlib
import gc
import random
import select
import socket
import warnings

import pytest
from support import HOST, PATIENCE, Echo, Recorder, connected, connected_to_socket, reset, until


def test_a_protocol_sees_made_data_eof_lost_in_this_order(run):
    async def main():
        async with connected() as (near, far):
            near.transport.write(b"data")
            near.transport.close()
            assert await far.lost is None
            assert await near.lost is None
        assert far.calls == ["made", "data", "eof", "lost"]
        assert near.calls == ["made", "lost"]
        assert far.data == b"data"

    run(main)


@pytest.mark.parametrize(
    "data", [b"plain", bytearray(b"plain"), memoryview(b"plain"), memoryview(b"_plain_")[1:6], b""], ids=repr
)
def test_write_takes_bytes_like_objects(run, data):
    async def main():
        async with connected() as (near, far):
            near.transport.write(data)
            near.transport.write(b"!")
            assert await far.received(len(data) + 1) == bytes(data) + b"!"

    run(main)


class Keeper(Recorder):
    """Keeps what it gets in various ways, or not at all; then the next may lie where it lay."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def data_received(self, data):
        super().data_received(data)
        number = len(self.calls)
        content, known = bytes(bytearray(data)), hash(data)
        assert hash(content) == known
        keep = [lambda: None, lambda: data, lambda: memoryview(data)[1:], lambda: {data: number}][number % 4]
        self.kept.append((keep(), content))


@pytest.mark.parametrize("size", [479, 480, 1024, 4096, 16 * 1024, 16 * 1024 + 1])
def test_data_that_is_kept_stays_what_it_was(run, size):
    """However the transport comes by the memory of the next."""

    async def main():
        async with connected(Keeper) as (near, far):
            total, numbers = 0, random.Random(size)
            for turn in range(60):
                length = size if turn % 3 else numbers.randint(size * 7 // 8 - 2, size)
                near.transport.write(numbers.randbytes(length))
                total += length
                await far.received(total)
            assert len(far.data) == total
            for kept, content in far.kept:
                if isinstance(kept, dict):
                    assert content in kept
                    (kept,) = kept
                if kept is not None:
                    assert content.endswith(bytes(kept))
                if isinstance(kept, bytes):
                    assert kept == content
                    assert hash(kept) == hash(content)
                    assert kept + b"!" == content + b"!"

    run(main)


def test_writelines_takes_any_iterable_of_them(run):
    async def main():
        async with connected() as (near, far):
            near.transport.writelines([b"one ", bytearray(b"two "), memoryview(b"three ")])
            near.transport.writelines(part for part in (b"four ", b"five"))
            near.transport.writelines([])
            near.transport.writelines([b"", b"."])
            assert await far.received(24) == b"one two three four five."

    run(main)


@pytest.mark.parametrize("data", ["text", None, 17, [b"list"]], ids=repr)
def test_write_refuses_anything_else(run, data):
    """In the words of this asyncio: they have changed within Python 3.13."""
    with pytest.raises(TypeError, match=f"data argument must be a .*, not '{type(data).__name__}'") as stock:
        asyncio.selector_events._SelectorSocketTransport.write(None, data)

    async def main():
        async with connected() as (near, far):
            with pytest.raises(TypeError) as caught:
                near.transport.write(data)
            assert str(caught.value) == str(stock.value)
            near.transport.write(b"ok")
            assert await far.received(2) == b"ok"

    run(main)


def test_many_small_writes_arrive_in_order(run):
    async def main():
        pieces = [str(number).encode() + b"," for number in range(20_000)]
        async with connected() as (near, far):
            for number, piece in enumerate(pieces):
                near.transport.write(piece)
                if number % 1000 == 0:
                    await asyncio.sleep(0)
            whole = b"".join(pieces)
            assert await far.received(len(whole)) == whole

    run(main)


def test_a_large_transfer_both_ways_arrives_whole(run):
    async def main():
        data = random.Random(3).randbytes(10_000_000)
        async with connected(server=Echo) as (near, _):
            near.transport.write(data)
            assert await near.received(len(data)) == data

    run(main)


def test_close_sends_what_is_buffered_first(run):
    async def main():
        size = 8_000_000
        async with connected() as (near, far):
            near.transport.write(bytes(size))
            assert near.transport.get_write_buffer_size() > 0
            near.transport.close()
            assert near.transport.is_closing()
            assert "lost" not in near.calls
            assert await near.lost is None
            await far.lost
            assert len(far.data) == size

    run(main)


def test_connection_lost_comes_in_a_later_turn(run):
    async def main():
        async with connected() as (near, _):
            near.transport.close()
            near.transport.close()
            assert near.transport.is_closing()
            assert near.calls == ["made"]
            assert await near.lost is None
            assert near.calls == ["made", "lost"]

    run(main)


def test_abort_drops_what_is_buffered(run):
    async def main():
        async with connected_to_socket() as (near, _):
            near.transport.write(bytes(20_000_000))
            near.transport.abort()
            assert near.transport.is_closing()
            assert near.calls[-1] != "lost"
            assert await near.lost is None
            assert near.transport.get_write_buffer_size() == 0

    run(main)


def test_writes_after_close_are_dropped(run):
    async def main():
        async with connected() as (near, far):
            near.transport.write(b"before")
            near.transport.close()
            near.transport.write(b"after")
            await far.lost
            assert far.data == b"before"

    run(main)


def test_half_close(run):
    """The far side answers after it has seen the end of file."""

    class Answering(Recorder):
        def eof_received(self):
            super().eof_received()
            self.transport.write(b"got " + self.data)
            self.transport.write_eof()
            return True

    async def main():
        async with connected(server=Answering) as (near, far):
            assert near.transport.can_write_eof()
            near.transport.write(b"question")
            near.transport.write_eof()
            near.transport.write_eof()
            with pytest.raises(RuntimeError, match=r"Cannot call write\(\) after write_eof\(\)"):
                near.transport.write(b"more")
            assert await near.lost is None
            assert near.data == b"got question"
            assert not far.transport.is_closing()
            far.transport.close()
            await far.lost

    run(main)


def test_write_eof_waits_for_buffered_data(run):
    async def main():
        size = 8_000_000
        async with connected() as (near, far):
            near.transport.write(bytes(size))
            near.transport.write_eof()
            await far.eof
            assert len(far.data) == size

    run(main)


def test_eof_closes_unless_the_protocol_says_otherwise(run):
    async def main():
        async with connected() as (near, far):
            near.transport.write_eof()
            await far.lost
            await near.lost
            assert far.calls == ["made", "eof", "lost"]

    run(main)


def test_extra_info(run):
    async def main():
        async with connected() as (near, far):
            sock = near.transport.get_extra_info("socket")
            assert isinstance(sock, asyncio.trsock.TransportSocket)
            assert near.transport.get_extra_info("sockname") == sock.getsockname()
            assert near.transport.get_extra_info("peername") == sock.getpeername()
            assert far.transport.get_extra_info("peername") == sock.getsockname()
            assert near.transport.get_extra_info("no such thing") is None
            assert near.transport.get_extra_info("no such thing", 17) == 17
            for end in (near, far):
                own = end.transport.get_extra_info("socket")
                assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(main)


def test_pause_reading_holds_data_back(run):
    async def main():
        async with connected() as (near, far):
            assert far.transport.is_reading()
            far.transport.pause_reading()
            far.transport.pause_reading()
            assert not far.transport.is_reading()
            near.transport.write(b"held back")
            await asyncio.sleep(0.02)
            assert far.data == b""
            far.transport.resume_reading()
            far.transport.resume_reading()
            assert far.transport.is_reading()
            assert await far.received(9) == b"held back"

    run(main)


def test_a_protocol_may_pause_in_data_received(run):
    class OneAtATime(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    async def main():
        async with connected(server=OneAtATime) as (near, far):
            data = bytes(3_000_000)
            near.transport.write(data)
            while len(far.data) < len(data):
                seen = len(far.data)
                far.transport.resume_reading()
                await until(lambda seen=seen: len(far.data) > seen)
                assert not far.transport.is_reading()

    run(main)


def test_a_paused_transport_sees_the_end_only_after_resume(run):
    async def main():
        async with connected() as (near, far):
            far.transport.pause_reading()
            near.transport.write(b"last words")
            near.transport.close()
            await near.lost
            await asyncio.sleep(0.02)
            assert far.calls == ["made"]
            far.transport.resume_reading()
            await far.lost
            assert far.calls == ["made", "data", "eof", "lost"]
            assert far.data == b"last words"

    run(main)


def test_pause_and_resume_after_close_do_nothing(run):
    async def main():
        async with connected() as (near, _):
            near.transport.close()
            near.transport.pause_reading()
            near.transport.resume_reading()
            assert not near.transport.is_reading()
            await near.lost

    run(main)


def test_set_protocol_hands_the_stream_over(run):
    async def main():
        async with connected() as (near, far):
            successor = Recorder()
            near.transport.write(b"first")
            await far.received(5)
            far.transport.set_protocol(successor)
            assert far.transport.get_protocol() is successor
            near.transport.write(b"second")
            assert await successor.received(6) == b"second"
            near.transport.close()
            await successor.lost
            assert far.calls == ["made", "data"]
            assert successor.calls == ["data", "eof", "lost"]
            far.lost.set_result(None)

    run(main)


def test_a_protocol_may_write_and_close_in_any_of_its_calls(run):
    class Impatient(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"hello")

        def data_received(self, data):
            super().data_received(data)
            self.transport.write(b"bye")
            self.transport.close()
            self.transport.get_extra_info("peername")

    async def main():
        async with connected(server=Impatient) as (near, far):
            await near.received(5)
            near.transport.write(b"x")
            await far.lost
            assert await near.received(8) == b"hellobye"
            await near.lost

    run(main)


def test_close_in_connection_made(run):
    class Closing(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.close()

    async def main():
        async with connected(server=Closing) as (near, far):
            await far.lost
            await near.lost
            assert far.calls == ["made", "lost"]

    run(main)


def test_no_data_after_close(run):
    class Closing(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.close()

    async def main():
        async with connected_to_socket(Closing) as (near, peer):
            peer.sendall(b"x" * 1_000)
            await near.lost
            seen = len(near.data)
            with contextlib.suppress(OSError):
                peer.sendall(b"x" * 1_000)
            await asyncio.sleep(0.01)
            assert len(near.data) == seen

    run(main)


def test_a_peer_that_resets(run):
    async def main():
        async with connected_to_socket() as (near, peer):
            reset(peer)
            assert isinstance(await near.lost, ConnectionResetError)
            assert near.calls == ["made", "lost"]

    run(main)


def test_a_peer_that_resets_in_the_middle_of_a_write(run):
    async def main():
        async with connected_to_socket() as (near, peer):
            near.transport.write(bytes(10_000_000))
            assert near.transport.get_write_buffer_size() > 0
            reset(peer)
            assert isinstance(await near.lost, (ConnectionResetError, BrokenPipeError))
            for _ in range(10):
                near.transport.write(b"into the void")
            assert near.transport.is_closing()

    run(main)


def test_writing_on_to_a_peer_that_is_gone(run):
    async def main():
        async with connected_to_socket() as (near, peer):
            near.transport.pause_reading()  # the write finds out, not the read
            arrival = select.poll()
            arrival.register(near.transport.get_extra_info("socket").fileno(), 0)
            reset(peer)
            assert arrival.poll(1000 * PATIENCE)
            near.transport.write(b"one")
            near.transport.write(b"two")
            assert isinstance(await near.lost, (ConnectionResetError, BrokenPipeError))

    run(main)


def test_an_unclosed_transport_warns_when_it_goes(loop):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            transport, _ = await loop.create_connection(asyncio.Protocol, *listener.getsockname())
            transport.pause_reading()  # else the loop holds it
            listener.accept()[0].close()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop.run_until_complete(main())
        gc.collect()
    assert any("unclosed transport" in str(warning.message) for warning in caught)


def test_repr_tells_the_state(run):
    async def main():
        async with connected() as (near, _):
            assert f"fd={near.transport.get_extra_info('socket').fileno()}" in repr(near.transport)
            near.transport.close()
            assert "closing" in repr(near.transport)
            await near.lost
            assert "closed" in repr(near.transport)

    run(main)


def test_an_urgent_byte_or_an_empty_segment_changes_nothing(run):
    async def main():
        async with connected_to_socket(Echo) as (near, peer):
            for size in (1, 1, 2, 3, 70_000):
                peer.sendall(b"y" * size)
            assert len(await near.received(70_007)) >= 70_007

    run(main)


def test_pausing_after_the_end_of_file(run):
    class Open(Recorder):
        def eof_received(self):
            self.calls.append("eof")  # and again after each resume
            return True

    async def main():
        async with connected_to_socket(Open) as (near, peer):
            peer.shutdown(socket.SHUT_WR)
            await until(lambda: "eof" in near.calls)
            transport = near.transport
            assert transport.is_reading()
            transport.pause_reading()
            assert not transport.is_reading()
            transport.resume_reading()
            assert transport.is_reading()
            transport.write(b"still open")
            assert await asyncio.to_thread(peer.recv, 100) == b"still open"
            assert "lost" not in near.calls
            transport.close()
            assert not transport.is_reading()

    run(main)


def test_get_extra_info_may_be_replaced_for_all_transports(run, monkeypatch):
    """As tests of libraries do it, by asyncio's own class."""

    async def main():
        async with connected() as (near, _):
            monkeypatch.setattr(asyncio.BaseTransport, "get_extra_info", lambda *arguments: "replaced")
            assert near.transport.get_extra_info("peername") == "replaced"
            monkeypatch.undo()
            assert near.transport.get_extra_info("peername") is not None
            assert near.transport.get_extra_info("peername") != "replaced"

    run(main)


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt])
def test_a_connection_lives_on_when_connection_made_ends_the_run(loop_factory, ending):
    """Who cleans up may wait for its end."""
    loop = loop_factory()
    lost = loop.create_future()

    class Ending(asyncio.Protocol):
        def connection_made(self, transport):
            raise ending

        def connection_lost(self, error):
            lost.set_result(error)

    with contextlib.closing(loop):
        server = loop.run_until_complete(loop.create_server(Ending, HOST, 0))
        client = socket.create_connection(server.sockets[0].getsockname())
        with pytest.raises(ending):
            loop.run_forever()
        client.close()
        assert loop.run_until_complete(asyncio.wait_for(lost, PATIENCE)) is None
        server.close()
        loop.run_until_complete(asyncio.wait_for(server.wait_closed(), PATIENCE))
