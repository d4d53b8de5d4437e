"""BufferedProtocol: data goes straight into the protocol's own buffer."""

import asyncio

import pytest
from support import Recorder, connected, connected_to_socket, until


class Buffered(Recorder, asyncio.BufferedProtocol):
    """Gathers ``data`` through a buffer of ``size`` bytes."""

    size = 1000
    data_received = None  # must not be called

    def __init__(self):
        super().__init__()
        self.buffer = bytearray(self.size)
        self.hints = []
        self.updates = []

    def get_buffer(self, sizehint):
        self.hints.append(sizehint)
        return self.buffer

    def buffer_updated(self, size):
        assert 0 < size <= self.size
        self.updates.append(size)
        self.data += self.buffer[:size]


def test_data_arrives_through_the_buffer(run):
    async def main():
        data = bytes(range(256)) * 5_000
        async with connected(server=Buffered) as (near, far):
            near.transport.write(data)
            assert await far.received(len(data)) == data
            near.transport.close()
            await far.lost
            assert far.calls == ["made", "eof", "lost"]
            assert all(isinstance(hint, int) for hint in far.hints)
            assert sum(far.updates) == len(data)

    run(main)


@pytest.mark.parametrize("size", [1, 7, 100_000, 1_000_000])
def test_buffers_of_any_size(run, size):
    class Sized(Buffered):
        pass

    Sized.size = size

    async def main():
        data = bytes(range(250)) * (4 if size == 1 else 400)
        async with connected(server=Sized) as (near, far):
            near.transport.write(data)
            assert await far.received(len(data)) == data

    run(main)


def test_a_buffer_may_be_a_part_of_a_larger_one(run):
    class Message(Buffered):
        """Fills one message of 10 bytes at a time."""

        def __init__(self):
            super().__init__()
            self.filled = 0
            self.messages = []

        def get_buffer(self, sizehint):
            return memoryview(self.buffer)[self.filled : 10]

        def buffer_updated(self, size):
            self.filled += size
            if self.filled == 10:
                self.messages.append(bytes(self.buffer[:10]))
                self.filled = 0

    async def main():
        async with connected(server=Message) as (near, far):
            for number in range(100):
                near.transport.write(b"%010d" % number)
            await until(lambda: len(far.messages) == 100)
            assert far.messages == [b"%010d" % number for number in range(100)]

    run(main)


def test_the_buffer_is_free_again_after_the_update(run):
    """It can be resized: the transport keeps no hold on it."""

    class Growing(Buffered):
        def get_buffer(self, sizehint):
            self.buffer.extend(bytes(10))
            return self.buffer

        def buffer_updated(self, size):
            self.data += self.buffer[:size]

    async def main():
        async with connected(server=Growing) as (near, far):
            for _ in range(20):
                near.transport.write(b"0123456789")
                await asyncio.sleep(0)
            await far.received(200)

    run(main)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"get_buffer": lambda self, hint: 1 / 0}, "Fatal error: protocol.get_buffer() call failed."),
        ({"get_buffer": lambda self, hint: bytearray()}, "Fatal error: protocol.get_buffer() call failed."),
        ({"buffer_updated": lambda self, size: 1 / 0}, "Fatal error: protocol.buffer_updated() call failed."),
    ],
    ids=["get_buffer raises", "get_buffer is empty", "buffer_updated raises"],
)
def test_errors_end_the_connection(loop, broken, message):
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))

    async def main():
        async with connected_to_socket(type("Broken", (Buffered,), broken)) as (near, peer):
            peer.sendall(b"x")
            assert isinstance(await near.lost, (ZeroDivisionError, RuntimeError))

    loop.run_until_complete(main())
    assert [context["message"] for context in contexts] == [message]


def test_set_protocol_between_the_two_kinds(run):
    async def main():
        async with connected() as (near, far):
            buffered, plain = Buffered(), Recorder()
            near.transport.write(b"plain")
            await far.received(5)
            far.transport.set_protocol(buffered)
            near.transport.write(b"buffered")
            assert await buffered.received(8) == b"buffered"
            far.transport.set_protocol(plain)
            near.transport.write(b"again")
            assert await plain.received(5) == b"again"
            far.transport.set_protocol(far)

    run(main)


def test_pause_in_buffer_updated(run):
    class Pausing(Buffered):
        def buffer_updated(self, size):
            super().buffer_updated(size)
            self.transport.pause_reading()

    async def main():
        async with connected(server=Pausing) as (near, far):
            near.transport.write(bytes(10_000))
            while len(far.data) < 10_000:
                seen = len(far.data)
                far.transport.resume_reading()
                await until(lambda seen=seen: len(far.data) > seen)
                assert len(far.updates) == len(far.hints)

    run(main)
