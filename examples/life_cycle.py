"""From a call to a result: the life of one coroutine, then three lives that overlap.

Calling an `async def` function runs none of it: the call makes a coroutine object. A task hands it to the
event loop, which runs it from one `await` to the next until it returns.
"""

import asyncio
import inspect

from narration import chapter, elapsed, say

ROUTES = {
    "postcard": [("sort", 0.1), ("fly", 0.3), ("deliver", 0.2)],
    "parcel": [("weigh", 0.2), ("ship", 0.6), ("deliver", 0.2)],
    "telegram": [("type", 0.1), ("wire", 0.1)],
}


async def write_letter() -> str:
    say("  (inside) dipping the pen")
    await asyncio.sleep(0.2)
    say("  (inside) the ink is dry")
    return "Dear reader"


async def one_life() -> None:
    chapter("One coroutine, step by step")
    letter = write_letter()
    say(f"called:    a {type(letter).__name__}, {inspect.getcoroutinestate(letter)}; nothing ran")

    task = asyncio.create_task(letter, name="letter")
    task.add_done_callback(lambda done: say(f"callback:  the loop reports that {done.get_name()!r} is done"))
    say(f"scheduled: task {task.get_name()!r}; still {inspect.getcoroutinestate(letter)}")

    await asyncio.sleep(0)  # gives the loop one turn
    say(f"first turn: it ran up to its await; {inspect.getcoroutinestate(letter)}, done: {task.done()}")

    text = await task
    say(f"result:    {text!r}; {inspect.getcoroutinestate(letter)}, done: {task.done()}")


async def send(item: str) -> str:
    """Take one item through its stations; returns a drawing of its time, a letter for each 0.05 s."""
    drawing = ""
    for station, seconds in ROUTES[item]:
        say(f"{item:9} {station} ...")
        await asyncio.sleep(seconds)
        drawing += station[0] * round(seconds * 20)
    say(f"{item:9} has arrived")
    return drawing


async def overlapping_lives() -> None:
    chapter("Three tasks: each sleeps through its own stations, and the loop wakes them as they fall due")
    async with asyncio.TaskGroup() as group:
        tasks = {item: group.create_task(send(item)) for item in ROUTES}
    total = elapsed()

    print("\nWho was where, from left to right:")
    for item, task in tasks.items():
        print(f"  {item:9} |{task.result()}")
    waits = sum(seconds for route in ROUTES.values() for _, seconds in route)
    print(f"{waits:.1f} s of waiting went by in {total:.2f} s.")


async def main() -> None:
    await one_life()
    await overlapping_lives()


if __name__ == "__main__":
    asyncio.run(main())
