"""When one of many fails: gather, gather with return_exceptions, TaskGroup with except*, and cancellation.

Three weather stations report. The one on the summit has lost its mast, the one on the island its battery.
"""

import asyncio

from narration import chapter, say


class StationError(Exception):
    """A station cannot report."""


async def valley() -> str:
    try:
        await asyncio.sleep(0.3)
    except asyncio.CancelledError:
        say("  valley: cancelled, instruments put away")
        raise
    say("  valley: report sent")
    return "valley 12 degrees"


async def summit() -> str:
    await asyncio.sleep(0.1)
    raise StationError("summit: the mast is down")


async def island() -> str:
    await asyncio.sleep(0.1)
    raise ConnectionError("island: no power")


async def one_by_hand() -> None:
    chapter("try/except around an await, as around any call")
    try:
        await summit()
    except StationError as error:
        say(f"caught: {error}")


async def gather_first_error() -> None:
    chapter("gather: the first error is raised at once, and the others run on unseen")
    try:
        await asyncio.gather(valley(), summit())
    except StationError as error:
        say(f"caught: {error}")
    await asyncio.sleep(0.25)


async def gather_everything() -> None:
    chapter("gather(return_exceptions=True): wait for all, errors are results")
    for result in await asyncio.gather(valley(), summit(), island(), return_exceptions=True):
        say(f"{'failed' if isinstance(result, Exception) else 'ok':7} {result}")


async def task_group() -> None:
    chapter("TaskGroup: all or nothing; an error cancels the others, except* sorts out what went wrong")
    try:
        async with asyncio.TaskGroup() as group:
            for station in (valley, summit, island):
                group.create_task(station())
    except* StationError as errors:
        say(f"stations: {[str(error) for error in errors.exceptions]}")
    except* OSError as errors:
        say(f"network:  {[str(error) for error in errors.exceptions]}")


async def cancellation() -> None:
    chapter("cancel: an exception too, raised in the task where it waits")
    task = asyncio.create_task(valley())
    await asyncio.sleep(0.1)
    task.cancel("storm warning")
    try:
        await task
    except asyncio.CancelledError as error:
        say(f"the task is over: {error!r}, cancelled: {task.cancelled()}")


async def main() -> None:
    for scene in (one_by_hand, gather_first_error, gather_everything, task_group, cancellation):
        await scene()


if __name__ == "__main__":
    asyncio.run(main())
