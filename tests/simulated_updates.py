"""Runs a program in a simulation; one that loses an update."""

import asyncio

import ironloop


def simulated(main, seed=1, **options):
    with ironloop.simulation(seed, **options) as sim:
        return sim.run(main())


async def lost_update():
    """What two clerks book is lost if one looks while the other thinks."""
    balance = 0

    async def clerk():
        nonlocal balance
        for _ in range(5):
            seen = balance
            if seen == 7:
                await asyncio.sleep(0)
            balance = seen + 1
            await asyncio.sleep(0)

    await asyncio.gather(clerk(), clerk())
    assert balance == 10, f"{balance} were booked"
