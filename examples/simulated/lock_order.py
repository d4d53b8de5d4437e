"""A deadlock: two transfers between the same accounts, which take their locks in different orders.

Each of them is in nobody's way but for the moment in which it has one lock and not the other. The report
names the tasks, the lines where they stand, the locks, who holds them, and the circle.
"""

import asyncio

import ironloop
from ironloop.simulator import Deadlock


class Account:
    def __init__(self, balance):
        self.balance = balance
        self.lock = asyncio.Lock()


async def transfer(one, other, amount):
    async with one.lock:
        # Is there so much on it? A table says so, on a disk.
        if await asyncio.to_thread(lambda: one.balance >= amount):
            async with other.lock:
                one.balance -= amount
                other.balance += amount


@ironloop.simulate(seeds=1000)
async def test_transfers_end():
    savings, wages = Account(100), Account(100)
    async with asyncio.TaskGroup() as group:
        group.create_task(transfer(savings, wages, 10), name="to wages")
        await asyncio.sleep(0.008)
        group.create_task(transfer(wages, savings, 20), name="to savings")
    assert savings.balance + wages.balance == 200


if __name__ == "__main__":
    try:
        test_transfers_end()
    except Deadlock as error:
        print(error, *error.__notes__, sep="\n")
    else:
        print("all transfers have ended")
