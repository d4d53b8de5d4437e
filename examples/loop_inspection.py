"""Look into a running loop: what it is, which tasks live on it, and the line at which each of them waits."""

import asyncio
import linecache

from narration import chapter, say


async def saw(planks: int) -> None:
    for _ in range(planks):
        await asyncio.sleep(0.2)


async def paint(dry: asyncio.Event) -> None:
    await asyncio.sleep(0.3)
    dry.set()


async def assemble(dry: asyncio.Event) -> None:
    await dry.wait()
    await asyncio.sleep(0.3)


def describe(loop: asyncio.AbstractEventLoop) -> None:
    chapter("The loop")
    print(f"type     {type(loop).__module__}.{type(loop).__qualname__}")
    print(f"running  {loop.is_running()}")
    print(f"closed   {loop.is_closed()}")
    print(f"debug    {loop.get_debug()}   (on with PYTHONASYNCIODEBUG=1 or asyncio.run(..., debug=True))")
    print(f"time     {loop.time():.6f} s on its own clock, which call_at() and timeouts go by")


def waiting_at(task: asyncio.Task[None]) -> str:
    """The source line that a suspended task is to continue from."""
    frame = task.get_stack(limit=1)[-1]
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()


async def inspect_tasks(every: float) -> None:
    """Report on all other tasks until there are none, with so many seconds in between."""
    while True:
        await asyncio.sleep(every)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        say(f"{len(others)} at work")
        if not others:
            break
        for task in sorted(others, key=asyncio.Task.get_name):
            print(f"         {task.get_name():8} waits at: {waiting_at(task)}")


async def main() -> None:
    describe(asyncio.get_running_loop())

    chapter("The tasks in the workshop, every 0.25 s")
    dry = asyncio.Event()
    async with asyncio.TaskGroup() as workshop:
        workshop.create_task(saw(planks=4), name="Sawyer")
        workshop.create_task(paint(dry), name="Painter")
        workshop.create_task(assemble(dry), name="Joiner")
        await inspect_tasks(every=0.25)


if __name__ == "__main__":
    asyncio.run(main())
