"""What a coroutine of a program does, one thing after another."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from rough_programs.kinds import Buffered, Protocol, kinds
from rough_programs.world import Call, Rough, Thing, World

EXPECTED = (Exception, asyncio.CancelledError)


async def play(world: World) -> Any:
    """Some operations; a cancellation now and then ends it, and now and then does not."""
    while world.budget > 0 and world.random.random() < 0.8:
        world.budget -= 1
        try:
            await world.random.choice(OPERATIONS)(world)
        except asyncio.CancelledError:
            if world.random.random() < 0.5:
                raise
        except EXPECTED:
            if world.random.random() < 0.1:
                raise
        world.meddle()
    return Thing(world)


async def sleep(world: World) -> None:
    world.keep(await asyncio.sleep(world.random.choice((0, 0, 0.0001)), Thing(world)))


async def gather(world: World) -> None:
    what = [play(world), asyncio.sleep(0), world.keep(asyncio.ensure_future(play(world)))]
    if future := world.any(asyncio.Future):
        what += [future, future]
    gathering = world.keep(asyncio.gather(*what, return_exceptions=world.random.random() < 0.5))
    if world.random.random() < 0.3:
        gathering.cancel()
    await asyncio.wait_for(gathering, 0.01)


async def wait(world: World) -> None:
    tasks = {asyncio.ensure_future(play(world)) for _ in range(2)}
    if future := world.any(asyncio.Future):
        tasks.add(future)
    how = world.random.choice((asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION, asyncio.ALL_COMPLETED))
    await asyncio.wait(tasks, timeout=0.001, return_when=how)


async def as_completed(world: World) -> None:
    for ended in asyncio.as_completed([play(world), asyncio.sleep(0), play(world)], timeout=0.01):
        world.keep(ended)
        await ended


async def shield(world: World) -> None:
    await asyncio.wait_for(asyncio.shield(play(world)), world.random.choice((0, 0.0001, None)))


async def group(world: World) -> None:
    async with asyncio.timeout(0.01), asyncio.TaskGroup() as tasks:
        world.keep(tasks.create_task(play(world)))
        world.keep(tasks.create_task(asyncio.sleep(0)))
        world.meddle()


async def timeout(world: World) -> None:
    async with kinds().Timeout(world.loop.time() + world.random.choice((-1, 0.0001, 1))) as limit:
        world.keep(limit)
        await play(world)
        limit.reschedule(None)


async def queue(world: World) -> None:
    queue = world.any(asyncio.Queue) or world.keep(
        world.random.choice((kinds().Queue, kinds().PriorityQueue, asyncio.Queue, asyncio.LifoQueue))(2)
    )
    if world.random.random() < 0.3:
        world.keep(queue.put(Thing(world)))  # never awaited, maybe
    await asyncio.wait_for(world.random.choice((queue.put(Thing(world)), queue.get(), queue.join())), 0.001)


async def lock(world: World) -> None:
    lock = world.any(asyncio.Lock, asyncio.Semaphore) or world.keep(
        world.random.choice((kinds().Lock, asyncio.Lock, kinds().Semaphore, asyncio.BoundedSemaphore))()
    )
    async with asyncio.timeout(0.001), lock:
        await asyncio.sleep(0)
        world.meddle()


async def event(world: World) -> None:
    event = world.any(asyncio.Event) or world.keep(world.random.choice((kinds().Event, asyncio.Event))())
    async with asyncio.timeout(0.001):
        await event.wait()


async def condition(world: World) -> None:
    condition = world.any(asyncio.Condition) or world.keep(
        world.random.choice((kinds().Condition, asyncio.Condition))()
    )
    async with asyncio.timeout(0.001), condition:
        condition.notify()
        await condition.wait_for(Call(world))


async def future(world: World) -> None:
    future = world.keep(
        world.random.choice((world.loop.create_future, lambda: kinds().Future(loop=world.loop)))()
    )
    future.add_done_callback(Call(world))
    world.loop.call_soon(world.finish)
    async with asyncio.timeout(0.001):
        await world.random.choice((future, asyncio.wait_for(future, 1)))


async def task(world: World) -> None:
    task = world.keep(kinds().Task(play(world), loop=world.loop, name=Thing(world)))
    if world.random.random() < 0.5:
        task.cancel(Thing(world))
    await task


async def by_hand(world: World) -> None:
    """A coroutine that something else than a task drives."""
    awaited = world.random.choice(
        (asyncio.sleep(0.001), asyncio.Event().wait(), asyncio.Lock().acquire(), play(world))
    )
    world.keep(awaited)
    awaited.send(None)
    world.meddle()
    if world.random.random() < 0.5:
        awaited.throw(Rough())
    else:
        awaited.close()


async def transports(world: World) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setblocking(False)
        protocol = world.random.choice((Protocol, Buffered))
        transport, _ = await world.loop.create_connection(lambda: protocol(world), sock=ours)
        world.keep(transport)
        for _ in range(4):
            theirs.send(b"y" * world.random.choice((1, 1000)))
            await asyncio.sleep(0)
            world.meddle()
        transport.write(b"z" * 300_000)
        await asyncio.sleep(0)
        if world.random.random() < 0.5:
            transport.close()


async def datagrams(world: World) -> None:
    transport, _ = await world.loop.create_datagram_endpoint(
        lambda: Protocol(world), local_addr=("127.0.0.1", 0)
    )
    world.keep(transport)
    for _ in range(3):
        transport.sendto(b"d" * 10, transport.get_extra_info("sockname"))
        await asyncio.sleep(0)
    transport.close()


async def streams(world: World) -> None:
    async def serve(reader: Any, writer: Any) -> None:
        world.keep(reader)
        world.keep(writer)
        writer.write(await reader.readline())
        world.meddle()
        await writer.drain()
        writer.close()

    async with asyncio.timeout(0.05):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            world.keep(reader)
            writer.write(b"line\nmore")
            world.meddle()
            world.random.choice((writer.close, writer.transport.abort, writer.write_eof))()
            await world.random.choice((reader.read, reader.readline, lambda: reader.readexactly(5)))()


async def readers(world: World) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        world.loop.add_reader(ours, Call(world), Thing(world))
        theirs.send(b"x")
        await asyncio.sleep(0)
        world.loop.add_reader(ours, Call(world))
        if world.random.random() < 0.5:
            ours.close()
        else:
            world.loop.remove_reader(ours)


async def executor(world: World) -> None:
    await world.loop.run_in_executor(None, world.meddle)


async def fed(world: World) -> None:
    reader = world.keep(kinds().StreamReader(limit=10, loop=world.loop))
    world.loop.call_soon(reader.feed_data, b"more than it wants\n")
    world.loop.call_soon(world.random.choice((reader.feed_eof, lambda: reader.set_exception(Rough()))))
    async with asyncio.timeout(0.001):
        await world.random.choice((reader.readline, reader.read, lambda: reader.readuntil(b"w")))()


OPERATIONS = [
    sleep,
    sleep,
    gather,
    wait,
    as_completed,
    shield,
    group,
    timeout,
    queue,
    queue,
    lock,
    event,
    condition,
    future,
    task,
    by_hand,
    transports,
    datagrams,
    streams,
    readers,
    executor,
    fed,
]
