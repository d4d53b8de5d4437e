"""Time, sockets and threads of Rust futures, and Tokio, on ironloop, asyncio and uvloop."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import threading
import time
from typing import Any

import pytest
import rust_extension
from conftest import CHOSEN, Complete, needs_ironloop
from support import until

# The first test may have to build the extension.
pytestmark = [pytest.mark.timeout(600), pytest.mark.three_loops]


def next_thread_state() -> int:
    """The number of a new thread's state: each thread that attaches to Python gets the next one."""
    api = ctypes.pythonapi
    api.PyThreadState_Get.restype = ctypes.c_void_p
    api.PyThreadState_GetID.argtypes = [ctypes.c_void_p]
    api.PyThreadState_GetID.restype = ctypes.c_uint64
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(api.PyThreadState_GetID(api.PyThreadState_Get())))
    thread.start()
    thread.join()
    return found[0]


def test_no_other_thread_attaches_to_python(complete: Complete, door: Any) -> None:
    async def main() -> None:
        events = [door.Event() for _ in range(50)]
        waiting = [asyncio.ensure_future(event.wait()) for event in events]
        await until(lambda: all(event.waiting() for event in events))
        for number, event in enumerate(events):
            event.set_from_thread(number / 10_000)
        assert await asyncio.gather(*waiting) == [True] * 50
        assert await door.called_at_home(lambda: 1, 10) == 10
        await asyncio.gather(*(door.on_workers(0) for _ in range(10)))

    before = next_thread_state()
    complete(main())
    assert next_thread_state() == before + 1


def test_one_loop_after_another(door: Any) -> None:
    for name in ("asyncio", "ironloop", "asyncio", "ironloop"):
        if name not in CHOSEN:
            continue
        loop = rust_extension.new_loop(name)

        async def main() -> None:
            event = door.Event()
            event.set_from_thread(0.001)
            await event.wait()

        loop.run_until_complete(main())
        loop.close()
    assert door.alive() == 0


def test_time_on_the_loops_own_clock(complete: Complete, door: Any) -> None:
    async def main() -> None:
        begin = time.monotonic()
        assert await door.sleep(20) == 20
        assert time.monotonic() - begin >= 0.02
        assert await asyncio.gather(*(door.sleep(number) for number in (3, 1, 2))) == [3, 1, 2]
        event = door.Event()
        assert await door.limited(event, 5)
        event.set()
        assert not await door.limited(event, 10_000)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await door.sleep(60_000)

    complete(main())


def test_sockets_and_what_is_spawned(complete: Complete, door: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            for size in (1, 100_000):
                data = os.urandom(size)
                assert bytes(await door.echo(data)) == data
            answers = await asyncio.gather(*(door.echo(bytes([number])) for number in range(10)))
            assert [bytes(answer)[0] for answer in answers] == list(range(10))

    complete(main())


def test_a_worker_has_the_loops_thread_call(complete: Complete, door: Any) -> None:
    async def main() -> None:
        threads: set[int] = set()

        def called() -> int:
            threads.add(threading.get_ident())
            return 2

        async with asyncio.timeout(60):
            assert await door.called_at_home(called, 10) == 20
            assert threads == {threading.get_ident()}

            def fails() -> int:
                raise KeyError("no")

            with pytest.raises(KeyError):
                await door.called_at_home(fails, 1)

    complete(main())


def test_the_synchronous_twin(door: Any) -> None:
    assert door.sleep_now(1) == 1
    main = threading.get_ident()
    timer = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        door.sleep_now(60_000)
    timer.join()


def test_tokio_s_workers_poll_what_is_awaited_here(complete: Complete, door: Any) -> None:
    async def main() -> None:
        values = await asyncio.gather(*(door.on_workers(number) for number in range(5)))
        assert [value for value, _ in values] == list(range(5))
        assert {name for _, name in values} == {"ironloop-tokio"}
        with pytest.raises(ValueError, match="ironloop-tokio"):
            await door.on_workers(7)
        with pytest.raises(BaseException, match="thirteen"):
            await door.on_workers(13)

    complete(main())


def test_cancelling_aborts_what_tokio_s_workers_poll(complete: Complete, door: Any) -> None:
    async def main() -> None:
        before = door.alive()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await door.on_workers(60_000)
        await until(lambda: door.alive() == before)

    complete(main())


def test_in_tokio_s_context_futures_are_polled_here(complete: Complete, door: Any) -> None:
    async def main() -> None:
        assert await asyncio.gather(*(door.in_context(2) for _ in range(10))) == [True] * 10

    complete(main())


@needs_ironloop
def test_sockets_of_rust_are_outside_of_a_simulation(door: Any) -> None:
    import ironloop

    async def main() -> bytes:
        await asyncio.sleep(3600)
        return await door.echo(b"hello")

    with ironloop.simulation(1) as sim, pytest.raises(OSError, match="unreachable"):
        sim.run(main())
