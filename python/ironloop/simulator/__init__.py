"""Simulation: tests in virtual time, on seeded schedules, over a network that fails.

A program runs on the loop, the tasks and the transports of production, in a world where time passes only when
nothing else can happen, and where chance decides what no program may rely on. A seed means the same run each
time, in each process; a run that fails is made as short as it gets and can be played again.

    def test_transfer():
        with ironloop.simulation(seed=7) as sim:
            sim.run(transfer())

    @ironloop.simulate(seeds=200)
    async def test_transfers():
        await asyncio.gather(transfer(), transfer())
"""

from ironloop.simulator.errors import Deadlock, Escape, Violation
from ironloop.simulator.network import Host, Network
from ironloop.simulator.search import simulate
from ironloop.simulator.world import Simulation, simulation

__all__ = ["Deadlock", "Escape", "Host", "Network", "Simulation", "Violation", "simulate", "simulation"]
