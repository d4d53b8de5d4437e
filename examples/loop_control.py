"""Drive an event loop by hand: make it, run it, stop it, run it again, close it.

`asyncio.run()` does all of this for a program with one `main()`. By hand one sees what it does.
"""

import asyncio
from itertools import count

from narration import chapter, say


def show(loop: asyncio.AbstractEventLoop, moment: str) -> None:
    say(f"{moment:46} running: {loop.is_running()!s:5}  closed: {loop.is_closed()}")


async def climb_the_tower() -> str:
    for floor in range(1, 4):
        await asyncio.sleep(0.1)
        say(f"  keeper on floor {floor}")
    return "the lamp is lit"


async def lamp() -> None:
    try:
        for turn in count(1):
            say(f"  the lamp turns, {turn}")
            await asyncio.sleep(0.15)
    finally:
        say("  the lamp is put out")


def run_until_complete(loop: asyncio.AbstractEventLoop) -> None:
    chapter("run_until_complete: as long as one coroutine takes")
    show(loop, "a new loop")
    result = loop.run_until_complete(climb_the_tower())
    show(loop, f"it returned {result!r}")


def run_forever(loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
    chapter("run_forever: until someone calls stop()")
    task = loop.create_task(lamp())
    for night in ("first", "second"):
        loop.call_later(0.2, show, loop, f"inside, the {night} night")
        loop.call_later(0.4, loop.stop)
        loop.run_forever()
        show(loop, f"stopped after the {night} night")
    say("A stopped loop keeps its tasks: the lamp went on counting where it was.")
    return task


def close(loop: asyncio.AbstractEventLoop, *tasks: asyncio.Task[None]) -> None:
    chapter("close: cancel what is left, let it clean up, then close")
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    show(loop, "closed")
    try:
        loop.call_soon(print)
    except RuntimeError as error:
        say(f"A closed loop takes no more work: {type(error).__name__}: {error}")


def main() -> None:
    loop = asyncio.new_event_loop()
    try:
        run_until_complete(loop)
        close(loop, run_forever(loop))
    finally:
        loop.close()  # closing twice does no harm, and an error above leaves nothing open


if __name__ == "__main__":
    main()
