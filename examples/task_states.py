"""Running, suspended, ready, completed: three passengers at a ferry landing, seen in each state.

Every passenger is a task that awaits a boat. Each line of the table is one moment, and shows the state that
all the tasks are in at that moment, read from the coroutines themselves.
"""

import asyncio
import inspect
from collections.abc import Iterable
from enum import StrEnum

from narration import chapter, say

PASSENGERS = ("Ada", "Ben", "Cleo")


class State(StrEnum):
    RUNNING = "running"  # its code is executing now; there is one such task at most
    SUSPENDED = "suspended"  # it waits for something that has not happened
    READY = "ready"  # nothing holds it up, it waits for its turn
    COMPLETED = "completed"  # it returned, raised, or was cancelled


class Landing:
    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.boats: dict[str, asyncio.Future[str]] = {name: loop.create_future() for name in PASSENGERS}
        self.journeys = {name: self.travel(name) for name in PASSENGERS}
        self.tasks = {name: asyncio.create_task(journey) for name, journey in self.journeys.items()}

    async def travel(self, name: str) -> str:
        self.note(f"{name} arrives and waits")
        boat = await self.boats[name]
        self.note(f"{name} boards the {boat}")
        return f"{name} on the {boat}"

    def state(self, name: str) -> State:
        match inspect.getcoroutinestate(self.journeys[name]):
            case inspect.CORO_CREATED:
                return State.READY  # scheduled, and not had its first turn yet
            case inspect.CORO_RUNNING:
                return State.RUNNING
            case inspect.CORO_SUSPENDED:
                return State.READY if self.boats[name].done() else State.SUSPENDED
            case _:
                return State.COMPLETED

    def note(self, moment: str) -> None:
        say(f"{moment:32}{in_columns(self.state(name) for name in PASSENGERS)}")


def in_columns(words: Iterable[str]) -> str:
    return "".join(f"{word:11}" for word in words).rstrip()


async def main() -> None:
    chapter(f"{'moment':41}{in_columns(PASSENGERS)}")
    landing = Landing()
    landing.note("tasks made, none has run")

    await asyncio.sleep(0.3)  # main is suspended itself: only now can the others run
    landing.note("all wait, the loop is idle")

    landing.boats["Cleo"].set_result("Swift")
    landing.note("the Swift docks, Cleo may go")
    await asyncio.sleep(0.3)

    landing.boats["Ada"].set_result("Heron")
    landing.boats["Ben"].set_result("Heron")
    landing.note("the Heron docks for two")
    await asyncio.sleep(0)  # one turn of the loop: time enough for all that is ready
    landing.note("everyone is gone")

    print("\nEach task kept its result:", *(task.result() for task in landing.tasks.values()), sep="\n  ")


if __name__ == "__main__":
    asyncio.run(main())
