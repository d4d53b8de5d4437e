"""nest_asyncio (or its successor) makes the running loop one that may be run inside itself."""

from __future__ import annotations

import asyncio
import importlib
import sys

name, module = sys.argv[1:]
tool = importlib.import_module(module)


async def answer(value: int) -> int:
    await asyncio.sleep(0.001)
    return value


async def inner(level: int) -> int:
    await asyncio.sleep(0)
    return asyncio.run(inner(level - 1)) + 1 if level else 0


async def main() -> None:
    loop = asyncio.get_running_loop()
    tool.apply()
    tool.apply()
    assert asyncio.run(answer(1)) == 1
    assert loop.run_until_complete(answer(2)) == 2
    assert loop.run_until_complete(asyncio.ensure_future(answer(3))) == 3
    assert await answer(4) == 4
    assert await asyncio.gather(answer(5), inner(3)) == [5, 3]
    called = loop.create_future()
    loop.call_soon(lambda: called.set_result(loop.run_until_complete(answer(6))))
    assert await called == 6
    assert await asyncio.wait_for(answer(7), 60) == 7
    queue: asyncio.Queue[int] = asyncio.Queue()
    loop.call_later(0.001, queue.put_nowait, 8)
    assert loop.run_until_complete(queue.get()) == 8


if name == "ironloop":
    import ironloop

    class Own(ironloop.Loop):
        """A program's own loop."""

    before = vars(ironloop.Loop).copy()
    for make in (ironloop.new_event_loop, Own, lambda: ironloop.new_event_loop(nested=True)):
        loop = make()
        kind = type(loop)
        loop.run_until_complete(main())
        # Its class is what it was, and so are the loops that are made of it.
        assert isinstance(loop, kind)
        assert vars(ironloop.Loop) == before
        other = make()
        assert type(other) is kind
        assert other.run_until_complete(answer(9)) == 9
        loop.run_until_complete(main())
        for each in (loop, other):
            each.close()
else:
    asyncio.new_event_loop().run_until_complete(main())
print("nested")
