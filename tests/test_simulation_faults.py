"""What goes wrong on a simulated network looks as from the kernel: the same programs, on both.

Each program notes what it sees, and gets to run over the loopback by asyncio, and in a simulation.
"""

import asyncio
import sys

import ironloop
import killed_service
import pytest
from conftest import needs_ironloop
from simulated_faults import (
    PROGRAMS,
    Datagrams,
    Noting,
    outcome,
    until,
)

pytestmark = needs_ironloop


def ran(function, run):
    seen = []
    run(asyncio.wait_for(function(seen), 60))
    return seen


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda function: function.__name__)
def test_a_simulated_network_fails_as_the_kernel_does(function):
    def simulated(seed):
        def run(main):
            with ironloop.simulation(seed) as sim:
                sim.run(main)

        return run

    real = ran(function, asyncio.run)
    for seed in range(5):
        assert ran(function, simulated(seed)) == real
    assert ran(function, ironloop.run) == real


async def seen_of_a_killed_service(host, tcp, udp, kill):
    """By who has connections to it, at rest and with something unread, sends datagrams, or connects."""
    loop, seen = asyncio.get_running_loop(), []
    resting, unread = [await asyncio.open_connection(host, tcp) for _ in range(2)]
    _, noting = await loop.create_connection(lambda: Noting(seen, "protocol"), host, tcp)
    unread[1].write(b"be deaf")
    await outcome(seen, unread[0].readexactly(7))
    unread[1].write(b"not heard")
    noting.transport.write(b"hello")
    await until(lambda: ("protocol", "data", b"HELLO") in seen)
    transport, datagrams = await loop.create_datagram_endpoint(
        lambda: Datagrams(seen, "datagrams"), remote_addr=(host, udp)
    )
    transport.sendto(b"hello")
    await until(lambda: seen[-1][0] == "datagrams" and seen[-1][1] == "datagram")
    await asyncio.sleep(0.1)
    await kill()
    await outcome(seen, resting[0].read())
    await outcome(seen, unread[0].read())
    await noting.ended
    transport.sendto(b"anybody?")
    await until(lambda: ("datagrams", "error", ConnectionRefusedError) in seen)
    await outcome(seen, asyncio.open_connection(host, tcp))
    transport.close()
    await datagrams.ended
    for _, writer in (resting, unread):
        writer.close()
    # Which of several connections is told first, nobody says.
    return sorted(seen, key=repr)


def test_a_killed_host_is_seen_as_a_killed_process(capsys):
    async def real():
        process = await asyncio.create_subprocess_exec(
            sys.executable, killed_service.__file__, stdout=asyncio.subprocess.PIPE
        )

        async def kill():
            process.kill()
            await process.wait()

        tcp, udp = map(int, (await process.stdout.readline()).split())
        seen = await seen_of_a_killed_service("127.0.0.1", tcp, udp, kill)
        return seen, (await process.stdout.read()).decode()

    async def simulated(host):
        async def kill():
            host.kill()

        ports = asyncio.get_running_loop().create_future()
        host.start(killed_service.serve, lambda *told: ports.set_result(told), "0.0.0.0")
        seen = await seen_of_a_killed_service(host.address, *await ports, kill)
        return seen, capsys.readouterr().out

    expected = asyncio.run(real())
    for seed in range(5):
        with ironloop.simulation(seed) as sim:
            assert sim.run(simulated(sim.host("service"))) == expected
        # What is left of it is thrown away, and may say so.
        capsys.readouterr()


@pytest.mark.parametrize("restarts", [False, True])
def test_what_a_task_makes_after_it_has_killed_its_host_is_gone_with_it(restarts):
    ran = []

    async def child():
        ran.append("child")
        await asyncio.sleep(100)

    async def kills(host):
        ran.append("kills")
        if len(ran) > 1:
            kept = asyncio.create_task(child())
            await kept
        host.kill()
        if restarts:
            host.restart()
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(child())]
        loop.call_soon(ran.append, "callback")
        loop.call_later(1, ran.append, "timer")
        await asyncio.sleep(2)
        ran.append(tasks)

    async def main(host):
        host.start(kills, host)
        await asyncio.sleep(5)
        if not restarts:
            assert ran == ["kills"]
            host.restart()
            await asyncio.sleep(5)
        return ran

    with ironloop.simulation(1) as sim:
        assert sim.run(main(sim.host("service"))) == ["kills", "kills", "child"]
