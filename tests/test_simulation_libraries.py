"""Libraries of the field over a simulated network, unchanged: one seed is one run.

That it is so in each process `tools/simulation_proof.py` compares; test_simulated_examples has a part of it.
"""

import asyncio

import ironloop
import pytest
from conftest import needs_ironloop

pytestmark = needs_ironloop

# One of the libraries may be missing for a Python that is new.
libraries = pytest.importorskip("simulated_libraries")


def run(main, seed=1):
    with ironloop.simulation(seed) as sim:
        sim.run(main(sim))
        return sim.digest


@pytest.mark.parametrize("main", libraries.PROGRAMS.values(), ids=libraries.PROGRAMS)
def test_the_same_seed_is_the_same_run(main):
    # What libraries do when they are first used is done.
    run(main)
    digests = [run(main, seed) for seed in range(3)]
    assert digests == [run(main, seed) for seed in range(3)]
    assert len(set(digests)) == 3


def test_a_handshake_that_is_not_answered():
    async def main(sim):
        async def serve():
            async with await asyncio.start_server(print, "0.0.0.0", 443, ssl=libraries.SERVER) as server:
                await server.serve_forever()

        sim.host("web").start(serve)
        await libraries.listening("web", 443)
        sim.network.partition("web")
        with pytest.raises(TimeoutError):
            await asyncio.open_connection("web", 443, ssl=libraries.CLIENT)

    run(main)
