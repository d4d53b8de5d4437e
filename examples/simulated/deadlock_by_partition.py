"""A deadlock that needs a partition: a store that writes to its copy, and waits for the answer with its
lock held.

Over a network that works nobody sees it. Where a datagram is lost in the one moment in which the copy
cannot be reached, the answer never comes: who holds the lock waits for it, and all others wait for the
lock, for ever, although the network has long healed.
"""

import asyncio
import random

import ironloop
from ironloop.simulator import Deadlock

PORT = 9000


class Copy(asyncio.DatagramProtocol):
    """On another host: keeps what it is told, and says so."""

    def __init__(self):
        self.kept = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.kept.append(data)
        self.transport.sendto(data, address)


class Store(asyncio.DatagramProtocol):
    def __init__(self):
        self.lock = asyncio.Lock()
        self.answer = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.answer.set_result(data)

    async def put(self, value):
        async with self.lock:
            self.answer = asyncio.get_running_loop().create_future()
            self.transport.sendto(value)
            # Nobody asks again: here is the fault.
            assert await self.answer == value


async def serve():
    await asyncio.get_running_loop().create_datagram_endpoint(Copy, ("0.0.0.0", PORT))


@ironloop.simulate(seeds=1000)
async def test_all_is_written(sim):
    sim.host("copy").start(serve)
    await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    transport, store = await loop.create_datagram_endpoint(Store, remote_addr=("copy", PORT))

    async def interrupt():
        await asyncio.sleep(random.uniform(0, 3))
        sim.network.partition("copy")
        await asyncio.sleep(0.01)
        sim.network.heal()

    async def write(number):
        await asyncio.sleep(number / 10)
        await store.put(b"%d" % number)

    async with asyncio.TaskGroup() as group:
        group.create_task(interrupt(), name="partition")
        for number in range(10):
            group.create_task(write(number), name=f"writer {number}")
    transport.close()


if __name__ == "__main__":
    try:
        test_all_is_written()
    except Deadlock as error:
        print(error, *error.__notes__, sep="\n")
    else:
        print("all is written, whenever the copy was out of reach")
