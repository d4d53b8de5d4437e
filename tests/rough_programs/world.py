"""What a program is made of, and how it meddles with it at every opportunity."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
import weakref
from typing import Any

# So many things happen in a program before it calms down.
BUDGET = 400
KEPT = 40


class Rough(Exception):
    """What hooks raise."""


class World:
    """The objects of a program, whose references come and go."""

    def __init__(self, seed: int, loop: Any) -> None:
        self.random = random.Random(seed)
        self.loop = loop
        self.budget = BUDGET
        self.kept: list[Any] = []
        self.tasks: list[Any] = []
        self.depth = 0
        self.thread = threading.get_ident()

    def keep(self, thing: Any) -> Any:
        """Something else may have to go for it."""
        self.kept.append(thing)
        if len(self.kept) > KEPT:
            self.kept.pop(self.random.randrange(len(self.kept)))
        return thing

    def any(self, *kinds: type) -> Any:
        """Something that is kept, of one of the kinds; None if there is none."""
        found = [thing for thing in self.kept if isinstance(thing, kinds)]
        return self.random.choice(found) if found else None

    def meddle(self, may_raise: bool = True) -> None:
        """Called from within hooks, destructors and callbacks, on whatever thread."""
        if self.budget <= 0 or self.depth > 3:
            return
        self.budget -= 1
        self.depth += 1
        try:
            if threading.get_ident() != self.thread:
                self.random.choice((gc.collect, self.call_from_thread, self.look, self.drop))()
            else:
                self.random.choice(MEDDLING)(self)
        except (Rough, asyncio.CancelledError, RuntimeError, ValueError, TypeError, AttributeError, OSError):
            if may_raise and self.random.random() < 0.3:
                raise
        finally:
            self.depth -= 1
        if may_raise and self.random.random() < 0.05:
            raise Rough("raised by a hook")

    def yield_to_threads(self) -> None:
        time.sleep(0)

    def collect(self) -> None:
        gc.collect(self.random.randrange(3))

    def drop(self) -> None:
        if self.kept:
            del self.kept[self.random.randrange(len(self.kept)) :]

    def drop_tasks(self) -> None:
        if self.tasks:
            self.tasks.pop(self.random.randrange(len(self.tasks)))

    def cancel(self) -> None:
        if thing := self.any(asyncio.Future, asyncio.Handle):
            thing.cancel()

    def finish(self) -> None:
        if (future := self.any(asyncio.Future)) and not future.done():
            if self.random.random() < 0.5:
                future.set_result(Thing(self))
            else:
                future.set_exception(Rough())

    def callback(self) -> None:
        self.keep(self.loop.call_soon(Call(self), Thing(self)))

    def timer(self) -> None:
        self.keep(self.loop.call_later(self.random.choice((0, 0.0001, -1, 3600)), Call(self)))

    def call_from_thread(self) -> None:
        self.loop.call_soon_threadsafe(Call(self), Thing(self))

    def spawn(self) -> None:
        from rough_programs.operations import play

        if len(self.tasks) < 30:
            self.tasks.append(self.keep(self.loop.create_task(play(self), name=Thing(self))))

    def unawaited(self) -> None:
        from rough_programs.operations import play

        self.keep(play(self))

    def listen(self) -> None:
        if future := self.any(asyncio.Future):
            call = self.keep(Call(self))
            future.add_done_callback(call)
            if self.random.random() < 0.5:
                future.remove_done_callback(Call(self))

    def refer(self) -> None:
        if self.kept:
            thing = self.random.choice(self.kept)
            self.keep(weakref.ref(thing, lambda _: self.meddle()))

    def cycle(self) -> None:
        if thing := self.any(Thing):
            thing.held = (self.random.choice(self.kept), thing)
        if future := self.any(asyncio.Future):
            future.held = future

    def look(self) -> None:
        repr(asyncio.all_tasks(self.loop))
        if self.kept:
            repr(self.random.choice(self.kept))

    def close(self) -> None:
        # Mostly refused: it runs.
        if self.random.random() < 0.2:
            self.loop.close()

    def stop(self) -> None:
        # Its run is begun anew.
        self.loop.stop()

    def enter(self) -> None:
        # The loop within itself: asyncio's own notices only by the second.
        self.loop.call_soon(self.loop.stop)
        self.loop._run_once() if self.random.random() < 0.5 else self.loop.run_forever()

    def waiters(self) -> None:
        thing = self.any(asyncio.Queue, asyncio.Lock, asyncio.Event, asyncio.Semaphore, asyncio.Condition)
        if thing is not None:
            repr((thing, vars(thing), getattr(thing, "_waiters", None), getattr(thing, "_getters", None)))

    def put(self) -> None:
        if queue := self.any(asyncio.Queue):
            queue.put_nowait(Thing(self))

    def get(self) -> None:
        if queue := self.any(asyncio.Queue):
            self.keep(queue.get_nowait())

    def release(self) -> None:
        if lock := self.any(asyncio.Lock, asyncio.Semaphore):
            lock.release()

    def set(self) -> None:
        if event := self.any(asyncio.Event):
            event.set()
            event.clear()


MEDDLING = [
    World.yield_to_threads,
    World.collect,
    World.drop,
    World.drop_tasks,
    World.cancel,
    World.cancel,
    World.finish,
    World.finish,
    World.callback,
    World.timer,
    World.call_from_thread,
    World.spawn,
    World.spawn,
    World.unawaited,
    World.listen,
    World.refer,
    World.cycle,
    World.look,
    World.close,
    World.stop,
    World.enter,
    World.waiters,
    World.put,
    World.get,
    World.release,
    World.set,
]


class Thing:
    """An object all of whose hooks meddle, and that may come back to life."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.held: Any = None

    def __hash__(self) -> int:
        self.world.meddle()
        return id(self) % 7

    def __eq__(self, other: object) -> bool:
        self.world.meddle()
        return self is other or self.world.random.random() < 0.2

    def __lt__(self, other: object) -> bool:
        self.world.meddle()
        return self.world.random.random() < 0.5

    def __repr__(self) -> str:
        self.world.meddle()
        return "thing"

    def __str__(self) -> str:
        self.world.meddle()
        return "named"

    def __bool__(self) -> bool:
        self.world.meddle()
        return True

    def __del__(self) -> None:
        if self.world.random.random() < 0.2:
            self.world.keep(self)
        self.world.meddle()


class Call(Thing):
    """A callback."""

    def __call__(self, *args: Any) -> None:
        self.world.meddle()
        if args and self.world.random.random() < 0.3:
            self.world.keep(args[0])
