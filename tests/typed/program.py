"""Every public name as a type checker sees it: mypy and pyright read this in `make lint`; nothing runs it.

`assert_type` says what a thing is; where a line is wrong on purpose, a checker that finds nothing fails.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import sys
from typing import Literal, assert_type

import ironloop
from ironloop import files


async def number() -> int:
    return 1


async def text() -> str:
    return ""


def doors() -> None:
    assert_type(ironloop.run(number()), int)
    assert_type(ironloop.run(text(), debug=True, loop_factory=ironloop.new_event_loop, native=False), str)
    with ironloop.Runner(native=True) as runner:
        assert_type(runner.run(number()), int)
        assert_type(runner.get_loop(), asyncio.AbstractEventLoop)
    with asyncio.Runner(loop_factory=ironloop.new_event_loop) as stock:
        assert_type(stock.run(text()), str)
    loop = ironloop.new_event_loop(nested=True)
    assert_type(loop, ironloop.Loop)
    assert_type(loop.run_until_complete(number()), int)
    assert_type(ironloop.new_event_loop(clock=ironloop.VirtualClock(start=5)), ironloop.Loop)
    assert_type(ironloop.VirtualClock().time(), float)
    ironloop.install(native=None)
    ironloop.uninstall()
    assert_type(ironloop.tls_path(), str)
    assert_type(ironloop.__version__, str)
    assert_type(ironloop.EventLoopPolicy(native=True).new_event_loop(), asyncio.AbstractEventLoop)

    with ironloop.simulation(seed=1, order="tasks") as simulation:
        assert_type(simulation, ironloop.Simulation)
        assert_type(simulation.run(number()), int)
    ironloop.simulation(order="none")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ironloop.run(number)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ironloop.new_event_loop(native="no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def loops(loop: ironloop.Loop) -> None:
    assert_type(loop.call_soon(print, 1), asyncio.Handle)
    assert_type(loop.call_later(0.5, print), asyncio.TimerHandle)
    assert_type(loop.time(), float)
    assert_type(loop.create_task(number()), asyncio.Task[int])
    assert_type(await loop.run_in_executor(None, len, "x"), int)
    metrics = loop.metrics()
    assert_type(metrics, ironloop.Metrics)
    assert_type(metrics.step_time, ironloop.Histogram | None)


async def tasks() -> None:
    task = ironloop.create_task(number(), name="one")
    assert_type(task, asyncio.Task[int])
    assert_type(await task, int)
    assert_type(await ironloop.Task(text()), str)
    future = ironloop.Future[int]()
    future.set_result(1)
    assert_type(await future, int)
    future.set_result("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await ironloop.ensure_future(text()), str)

    assert_type(await ironloop.gather(number(), text()), tuple[int, str])
    assert_type(await ironloop.gather(*[number()]), list[int])
    assert_type(
        await ironloop.gather(number(), text(), return_exceptions=True),
        tuple[int | BaseException, str | BaseException],
    )
    done, pending = await ironloop.wait([task], timeout=1, return_when=asyncio.FIRST_COMPLETED)
    assert_type(done, set[asyncio.Task[int]])
    assert_type(pending, set[asyncio.Task[int]])
    for next_one in ironloop.as_completed([number()]):
        assert_type(await next_one, int)
    assert_type(await ironloop.shield(number()), int)
    assert_type(await ironloop.to_thread(len, "x"), int)
    elsewhere = ironloop.run_coroutine_threadsafe(number(), asyncio.get_running_loop())
    assert_type(elsewhere, concurrent.futures.Future[int])

    async with ironloop.TaskGroup() as group:
        assert_type(group, asyncio.TaskGroup)
        assert_type(group.create_task(number()), asyncio.Task[int])


async def time() -> None:
    assert_type(await ironloop.sleep(0.1), None)
    assert_type(await ironloop.sleep(0, "result"), str)
    assert_type(await ironloop.wait_for(number(), 1), int)
    assert_type(await ironloop.wait_for(number(), timeout=None), int)
    async with ironloop.timeout(1) as limit:
        assert_type(limit, ironloop.Timeout)
        assert_type(limit.expired(), bool)
    async with ironloop.timeout_at(1.5) as limit:
        limit.reschedule(None)
    await ironloop.sleep("1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def queues() -> None:
    queue = ironloop.Queue[int](maxsize=3)
    assert_type(queue, ironloop.Queue[int])
    assert_type(await queue.get(), int)
    assert_type(await queue.put(1), None)
    assert_type(queue.get_nowait(), int)
    await queue.put("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await ironloop.LifoQueue[str]().get(), str)
    assert_type(await ironloop.PriorityQueue[tuple[int, str]]().get(), tuple[int, str])
    stock: asyncio.Queue[int] = queue
    with contextlib.suppress(ironloop.QueueEmpty, ironloop.QueueFull):
        stock.put_nowait(1)
    if sys.version_info >= (3, 13):
        queue.shutdown(immediate=True)
        raise ironloop.QueueShutDown


async def locks() -> None:
    lock = ironloop.Lock()
    assert_type(lock, ironloop.Lock)
    async with lock as nothing:
        assert_type(nothing, None)
    async with ironloop.Lock() as x:
        assert_type(x, None)
    assert_type(lock.locked(), bool)
    stock: asyncio.Lock = lock
    condition = ironloop.Condition(stock)
    async with condition:
        assert_type(await condition.wait_for(lambda: 1), int)
        condition.notify(2)
    async with ironloop.Semaphore(2):
        pass
    async with ironloop.BoundedSemaphore(2) as inside:
        assert_type(inside, None)
    assert_type(await ironloop.Event().wait(), Literal[True])
    async with ironloop.Barrier(2) as place:
        assert_type(await place.wait(), int)
    ironloop.Barrier()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def streams() -> None:
    reader, writer = await ironloop.open_connection("localhost", 80, ssl=True)
    assert_type(await reader.readline(), bytes)
    assert_type(await writer.drain(), None)
    reader, writer = await ironloop.open_unix_connection("/tmp/socket")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(10))

    server = await ironloop.start_server(answer, "localhost", 0)
    assert_type(server, asyncio.Server)
    assert_type(await ironloop.start_unix_server(answer, "/tmp/socket"), asyncio.Server)
    own = ironloop.StreamReader(limit=10)
    protocol = ironloop.StreamReaderProtocol(own)
    transport = writer.transport
    loop = asyncio.get_running_loop()
    assert_type(ironloop.StreamWriter(transport, protocol, own, loop), ironloop.StreamWriter)


async def use_files() -> None:
    async with ironloop.open("x") as lines:
        assert_type(lines, files.TextFile)
        assert_type(await lines.read(), str)
        async for line in lines:
            assert_type(line, str)
    async with ironloop.open("x", "rb") as chunks:
        assert_type(chunks, files.BinaryFile)
        assert_type(await chunks.read(1), bytes)
    raw = await files.open("x", "rb", buffering=0)
    assert_type(raw, files.RawFile)
    assert_type(await files.read_bytes("x"), bytes)
    assert_type(await files.read_text("x"), str)


@ironloop.add_blocked_callback
def look(report: ironloop.Blocked) -> None:
    assert_type(report.cpu, float | None)
    assert_type(report.awaiters, list[str])
    assert_type(report.stack[-1].name, str)


assert_type(ironloop.remove_blocked_callback(look), int)
