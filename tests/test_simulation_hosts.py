"""Hosts of a simulation that crash, are killed, and come back."""

import asyncio

import pytest
from conftest import needs_ironloop
from simulated_hosts import asked, connected, now, run, serve

pytestmark = needs_ironloop


def test_a_host_that_crashes_says_nothing_and_resets_what_it_does_not_know_when_it_is_back():
    async def main(sim):
        starts, cleaned = [], []

        async def program():
            starts.append(now())
            try:
                await serve()
            finally:
                cleaned.append(now())

        server = sim.host("server")
        server.start(program)
        reader, writer = await connected("server", 80)
        assert await asked(writer, reader) == b"A\n"
        server.crash()
        server.crash()
        assert not server.is_up
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asked(writer, reader), 20)
        assert (len(starts), cleaned) == (1, [])
        with pytest.raises(RuntimeError, match="down"):
            server.start(program)
        server.restart()
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        writer.close()
        reader, writer = await connected("server", 80)
        assert await asked(writer, reader) == b"A\n"
        writer.close()
        assert (len(starts), cleaned) == (2, [])

    for seed in range(10):
        run(main, seed)


@pytest.mark.parametrize("ends", ["crash", "kill"])
def test_code_of_a_host_that_is_gone_runs_no_further(ends):
    async def main(sim):
        seen, lives = [], []
        loop = asyncio.get_running_loop()

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport):
                transport.write(b"hello\n")

            def data_received(self, data):
                seen.append(data)

            def connection_lost(self, error):
                seen.append("lost")

        async def waits(awaitable):
            try:
                await awaitable
            finally:
                seen.append("finally")

        async def ticks():
            while True:
                await asyncio.sleep(0.1)
                lives[-1].append("tick")

        async def locks(lock):
            async with lock:
                await loop.create_future()

        def calls_itself():
            lives[-1].append("call")
            loop.call_later(0.1, calls_itself)

        async def program():
            lives.append([])
            lock, event, queue = asyncio.Lock(), asyncio.Event(), asyncio.Queue()
            kept = [asyncio.create_task(waits(what())) for what in (event.wait, queue.get, lock.acquire)]
            kept += [asyncio.create_task(each) for each in (ticks(), locks(lock), locks(lock))]
            kept[0].add_done_callback(seen.append)
            calls_itself()
            loop.call_soon(lambda: loop.call_soon(calls_itself))
            server = await loop.create_server(Protocol, "0.0.0.0", 80)
            try:
                async with asyncio.TaskGroup() as group:
                    for seconds in (100, 100.5, 101):
                        group.create_task(waits(asyncio.sleep(seconds)))
                    group.create_task(waits(asyncio.to_thread(abs, 1)))
                    await waits(asyncio.wait_for(asyncio.gather(*kept), 500))
            finally:
                server.close()
                seen.append("closed")

        host = sim.host("server")
        task = host.start(program)
        _, writer = await connected("server", 80)
        await asyncio.sleep(5)
        done = [*seen]
        assert done == ["finally"] * 2
        for _ in range(3):
            # They arrive, and nobody reads them.
            writer.write(b"more")
            await asyncio.sleep(0)
        before = len(lives[-1])
        getattr(host, ends)()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.shield(task)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.sleep(1000)
        assert len(lives[-1]) == before > 20 and seen == done
        host.restart()
        _, other = await connected("server", 80)
        await asyncio.sleep(5)
        assert len(lives) == 2 and len(lives[1]) > 20 and seen == done * 2
        writer.close()
        other.close()

    for seed in range(10):
        run(main, seed)


def test_a_task_that_kills_its_own_host_goes_on_to_where_it_waits():
    async def main(sim):
        seen = []

        async def program():
            seen.append("begins")
            if len(seen) == 1:
                host.kill()
                seen.append("goes on")
                await asyncio.sleep(0)
                seen.append("never")

        host = sim.host("host")
        host.start(program)
        await asyncio.sleep(1)
        assert seen == ["begins", "goes on"]
        await host.restart()
        assert seen == ["begins", "goes on", "begins"]

    run(main)
