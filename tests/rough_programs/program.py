"""One program: its beginning, some runs, and its end."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Callable
from typing import Any

from rough_programs.kinds import CURRENT
from rough_programs.world import World


def run(seed: int, make: Callable[[], Any]) -> None:
    """Whatever it does, it ends."""
    warnings.simplefilter("ignore")
    loop = make()
    loop.set_exception_handler(lambda loop, context: world.meddle(may_raise=False))
    world = World(seed, loop)
    CURRENT.append(world)
    if world.random.random() < 0.2:
        loop.set_debug(True)
        loop.slow_callback_duration = 3600
    _tick(loop)
    other = threading.Thread(target=_disturb, args=(world,))
    other.start()
    while world.budget > 0:
        _attempt(world, _turn)
        if loop.is_closed():
            break
    world.budget = 0
    other.join()
    _attempt(world, _end)
    CURRENT.pop()
    world.kept.clear()
    world.tasks.clear()
    gc.collect()


def _attempt(world: World, step: Callable[[World], None]) -> None:
    """Hooks raise in the midst of anything."""
    try:
        step(world)
    except (Exception, asyncio.CancelledError):
        world.budget -= 1


def _turn(world: World) -> None:
    world.spawn()
    world.loop.run_forever()


def _tick(loop: Any) -> None:
    """However many runs there are within one another, the innermost ends soon."""
    loop.stop()
    loop.call_later(0.005, _tick, loop)


def _disturb(world: World) -> None:
    """Another thread."""
    while world.budget > 0:
        _attempt(world, World.meddle)


def _end(world: World) -> None:
    loop = world.loop
    if loop.is_closed():
        return
    if world.random.random() < 0.7:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_forever()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
