"""Nothing is left behind: descriptors, references, garbage."""

import asyncio
import contextlib
import gc
import socket
import sys
import weakref

import pytest
from support import HOST, Echo, Recorder, connected, open_descriptors, serving, socket_pair, until


def test_a_loop_gives_its_descriptors_back(loop_factory):
    before = open_descriptors()
    for _ in range(10):
        loop = loop_factory()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        loop_factory().close()
    assert open_descriptors() == before


def test_busy_programs_leave_no_descriptor(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as address:
            for _ in range(20):
                reader, writer = await asyncio.open_connection(*address)
                writer.write(b"x")
                await reader.read(1)
                writer.close()
                await writer.wait_closed()
            with contextlib.suppress(OSError):
                await asyncio.open_connection(HOST, 1)
        async with connected() as (near, _):
            near.transport.abort()
        with socket_pair() as (near, far):
            await asyncio.gather(loop.sock_recv(near, 1), loop.sock_sendall(far, b"x"))
        await asyncio.to_thread(int)

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


@pytest.mark.filterwarnings("ignore:unclosed")
def test_closing_a_loop_with_open_connections_leaves_no_descriptor(loop_factory):
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, HOST, 0)
        _, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
        client.transport.write(b"x")
        await client.received(1)

    before = open_descriptors()
    loop = loop_factory()
    loop.run_until_complete(main())
    loop.close()
    del loop
    assert open_descriptors() == before


@pytest.mark.timeout(240)  # a slow machine takes its time
def test_ten_thousand_connections_opened_and_closed(run):
    count, at_once = 10_000, 50
    lost = []

    class Counting(Echo):
        def connection_lost(self, error):
            super().connection_lost(error)
            lost.append(error)

    class Client(asyncio.Protocol):
        """Sends a byte, waits for it, closes: every other one by a reset."""

        def __init__(self, by_reset):
            self.by_reset = by_reset
            self.ended = asyncio.get_running_loop().create_future()

        def connection_made(self, transport):
            self.transport = transport
            transport.write(b"x")

        def data_received(self, data):
            if self.by_reset:
                self.transport.abort()
            else:
                self.transport.close()

        def connection_lost(self, error):
            self.ended.set_result(None)

    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Counting, backlog=at_once) as address:

            async def clients(number):
                for step in range(count // at_once):
                    _, client = await loop.create_connection(lambda step=step: Client(step % 2), *address)
                    await client.ended

            await asyncio.gather(*(clients(number) for number in range(at_once)))
            await until(lambda: len(lost) == count)

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before
    assert len(lost) == count


def test_a_closed_loop_goes_even_in_a_cycle(loop_factory):
    def live():
        loop = loop_factory()
        loop.itself = loop
        loop.set_exception_handler(lambda *arguments: loop)
        loop.call_soon(lambda: loop)
        loop.call_later(3600, lambda: loop)
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        return weakref.ref(loop)

    gone = live()
    gc.collect()
    assert gone() is None


def test_handles_in_cycles_go(loop):
    class Holder:
        pass

    references = []
    for schedule in (loop.call_soon, lambda *rest: loop.call_later(0, *rest), loop.call_soon_threadsafe):
        holder = Holder()
        holder.handle = schedule(lambda holder: None, holder)
        references.append(weakref.ref(holder))
        del holder
    loop.run_until_complete(asyncio.sleep(0.001))
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def test_transports_and_protocols_go_after_close(loop):
    async def main():
        async with connected() as (near, far):
            near.transport.keeps = None
            references = [weakref.ref(end) for end in (near, far, near.transport, far.transport)]
        return references

    references = loop.run_until_complete(main())
    loop.run_until_complete(asyncio.sleep(0))
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


def test_sockets_operations_keep_nothing(loop):
    class Buffer(bytearray):
        pass

    async def main():
        with socket_pair() as (near, far):
            buffer = Buffer(10)
            far.send(b"x")
            await loop.sock_recv_into(near, buffer)
            waiting = asyncio.create_task(loop.sock_recv_into(near, buffer))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            return weakref.ref(buffer), weakref.ref(near)

    references = loop.run_until_complete(main())
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_reference_counts_return_to_where_they_were(loop):
    def callback(*arguments):
        pass

    argument = object()

    async def work():
        for count in range(5):
            loop.call_soon(callback, *[argument] * count)
            loop.call_later(0, callback, *[argument] * count)
            loop.call_later(3600, callback, *[argument] * count).cancel()
            loop.call_soon(callback, *[argument] * count).cancel()
            loop.call_soon_threadsafe(callback, *[argument] * count)
        await asyncio.sleep(0.001)
        with socket_pair() as (near, _):
            loop.add_reader(near, callback, argument)
            loop.add_writer(near, callback, argument)
            await asyncio.sleep(0.001)
            loop.remove_writer(near)
            loop.remove_reader(near)

    def counts():
        gc.collect()
        return sys.getrefcount(argument), sys.getrefcount(callback), sys.getrefcount(loop)

    loop.run_until_complete(work())
    before = counts()
    for _ in range(20):
        loop.run_until_complete(work())
    # Cancelled timers may wait in the heap for a while: what must not happen is growth with every round.
    assert all(now - then < 10 for now, then in zip(counts(), before, strict=True))


def test_cancelled_timers_are_swept_out(loop):
    """A server that gives each request a timeout cancels nearly all of them, for ever."""

    class Timeout:
        def __call__(self):
            pass

    alive = weakref.WeakSet()

    async def main():
        for _ in range(10_000):
            timeout = Timeout()
            alive.add(timeout)
            loop.call_later(3600, timeout).cancel()
        del timeout
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    gc.collect()
    assert len(alive) == 0


@pytest.mark.skipif(not hasattr(sys, "getallocatedblocks"), reason="CPython only")
def test_memory_does_not_grow_with_the_work(loop):
    async def work():
        for _ in range(200):
            loop.call_soon(int)
            loop.call_later(3600, int).cancel()
            await asyncio.sleep(0)
        with socket.create_server((HOST, 0)) as listener:
            _, client = await loop.create_connection(Recorder, *listener.getsockname())
            listener.accept()[0].close()
            await client.lost

    def blocks():
        gc.collect()
        return sys.getallocatedblocks()

    for _ in range(5):
        loop.run_until_complete(work())
    before = blocks()
    for _ in range(50):
        loop.run_until_complete(work())
    assert blocks() - before < 2000  # 10,000 callbacks and 10,000 timers went through
