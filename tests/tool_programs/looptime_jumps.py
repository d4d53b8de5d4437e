"""looptime gives a loop another class, whose clock jumps: timers, threads and connections in no time."""

from __future__ import annotations

import asyncio
import sys
import time

import looptime
from looptime._internal.patchers import patch_event_loop

if sys.argv[1] == "ironloop":
    import ironloop

    made = ironloop.new_event_loop()
else:
    made = asyncio.new_event_loop()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


async def main() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, looptime.LoopTimeEventLoop)
    begun = loop.time()
    await asyncio.sleep(3600)
    assert loop.time() - begun == 3600, loop.time()
    try:
        async with asyncio.timeout(7200):
            await loop.create_future()
    except TimeoutError:
        pass
    assert loop.time() - begun == 10800, loop.time()
    order: list[int] = []
    for delay in (3, 1, 2):
        loop.call_later(delay, order.append, delay)
    _, pending = await asyncio.wait([asyncio.ensure_future(asyncio.sleep(9))], timeout=5)
    assert pending
    assert order == [1, 2, 3]
    assert loop.time() - begun == 10805, loop.time()
    await asyncio.gather(*pending)
    # What happens outside takes its time.
    assert await loop.run_in_executor(None, lambda: time.sleep(0.05) or 42) == 42
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        assert await asyncio.wait_for(reader.readline(), 60) == b"hello\n"
        writer.close()
        await writer.wait_closed()


begun = time.perf_counter()
loop = patch_event_loop(made)
loop.setup_looptime(start=0, idle_step=0.01)
loop.run_until_complete(main())
loop.close()
assert time.perf_counter() - begun < 60
print("jumped")
