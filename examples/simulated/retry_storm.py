"""A retry storm: after a pause of some seconds a service is never well again.

Each client waits half a second for its answer, then asks once more. The service works through what it was
asked in order, also through what nobody waits for any more. A short pause it makes good; after a long one
each answer comes too late, and each client asks again. How long a pause has to be, nobody knows before:
chance tries some, and an hour passes in milliseconds.
"""

import asyncio
import random

import ironloop

CLIENTS = 20
PATIENCE = 0.5
WORK = 0.03


class Service:
    def __init__(self):
        self._requests = asyncio.Queue()
        self._may_work = asyncio.Event()
        self.has_answered = False

    async def work(self):
        while True:
            answer = await self._requests.get()
            await self._may_work.wait()
            await asyncio.sleep(WORK)
            if not answer.cancelled():
                answer.set_result("done")
                self.has_answered = True

    async def pause(self, seconds):
        """A deployment, a full disk, a long garbage collection."""
        self._may_work.clear()
        await asyncio.sleep(seconds)
        self._may_work.set()

    async def ask(self):
        """Until there is an answer."""
        while True:
            answer = asyncio.get_running_loop().create_future()
            self._requests.put_nowait(answer)
            try:
                return await asyncio.wait_for(answer, PATIENCE)
            except TimeoutError:
                continue


async def client(service):
    await asyncio.sleep(random.random())
    while True:
        await service.ask()
        await asyncio.sleep(1)


@ironloop.simulate(seeds=100)
async def test_it_gets_well_again(sim):
    service = Service()
    tasks = [asyncio.create_task(client(service)) for _ in range(CLIENTS)]
    tasks.append(asyncio.create_task(service.work()))
    await service.pause(random.choice([0.1, 0.2, 0.3, 0.4, 3]))
    await asyncio.sleep(5)
    service.has_answered = False
    sim.eventually(lambda: service.has_answered, within=10, message="it answers again")
    await asyncio.sleep(11)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    try:
        test_it_gets_well_again()
    except AssertionError as error:
        print(error, *error.__notes__, sep="\n")
    else:
        print("it got well after each pause")
