"""What is always so, and what is so at last, in a simulation."""

import asyncio

import ironloop
import pytest
from conftest import needs_ironloop
from ironloop.simulator import Violation

pytestmark = needs_ironloop


def test_what_is_always_so_is_checked_after_each_turn():
    level = 0

    async def main():
        nonlocal level
        while level < 10:
            level += 1
            await asyncio.sleep(1)

    with ironloop.simulation(1) as sim:
        sim.always(lambda: level < 20)
        sim.run(main())
        level = 0
        sim.always(lambda: level < 5, "it is high")
        with pytest.raises(Violation, match="it is high"):
            sim.run(main())
    assert level == 5


def test_what_is_broken_for_one_step_is_seen_and_by_whom():
    total = 0

    async def take():
        nonlocal total
        total -= 5

    async def give():
        nonlocal total
        total += 5

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(take(), name="taker")
            group.create_task(give())

    with ironloop.simulation(1) as sim:
        sim.always(lambda: total == 0, "nothing is lost")
        with pytest.raises(Violation, match=r"nothing is lost\n  after taker returned, at 0\."):
            sim.run(main())


def test_what_a_predicate_raises_ends_the_run():
    async def main():
        await asyncio.sleep(1)

    with ironloop.simulation(1) as sim:
        sim.always(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sim.run(main())


@pytest.mark.parametrize(("when", "holds"), [(3, True), (8, False), (None, False)])
def test_what_is_so_at_last_is_so_in_time(when, holds):
    async def main():
        level = 0
        sim.eventually(lambda: level, within=5, message="never")
        if when is None:
            return
        await asyncio.sleep(when)
        level = 1
        await asyncio.sleep(5)

    with ironloop.simulation(1) as sim:
        if holds:
            sim.run(main())
        else:
            with pytest.raises(Violation, match="never"):
                sim.run(main())


def test_eventually_is_for_the_loop_of_the_simulation_and_for_later():
    async def main():
        with pytest.raises(ValueError, match="within must be"):
            sim.eventually(bool, within=-1)
        with pytest.raises(RuntimeError, match="simulation's loop"):
            other.eventually(bool, within=1)

    other = ironloop.simulation(2)
    with ironloop.simulation(1) as sim:
        sim.run(main())
        with pytest.raises(RuntimeError, match="no running event loop"):
            sim.eventually(bool, within=1)
