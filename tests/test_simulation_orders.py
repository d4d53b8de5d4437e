"""In which order a simulation runs what is ready: by its seed, the same in each process."""

import asyncio
import subprocess
import sys

import ironloop
from conftest import needs_ironloop
from simulated_updates import simulated

pytestmark = needs_ironloop


def order_of_steps(seed, **options):
    async def main():
        steps = []

        async def walker(name):
            for _ in range(4):
                steps.append(name)
                await asyncio.sleep(0)

        await asyncio.gather(*map(walker, "abc"))
        return "".join(steps)

    return simulated(main, seed, **options)


def test_tasks_run_in_asyncios_order_by_each_seed():
    assert {order_of_steps(seed) for seed in range(50)} == {"abc" * 4}


def test_the_other_order_lets_tasks_overtake_each_other_and_none_itself():
    orders = {order_of_steps(seed, order="tasks") for seed in range(50)}
    assert len(orders) > 20
    assert {"".join(sorted(order)) for order in orders} == {"aaaabbbbcccc"}


def test_callbacks_keep_their_order_in_either():
    async def main():
        loop, seen, done = asyncio.get_running_loop(), [], asyncio.get_running_loop().create_future()
        for number in range(10):
            loop.call_soon(seen.append, number)
            done.add_done_callback(lambda _, number=number: seen.append(10 + number))
        done.set_result(None)
        await asyncio.sleep(1)
        return seen

    for seed in range(30):
        assert simulated(main, seed, order="tasks") == list(range(20))


def test_who_waits_for_a_lock_gets_it_in_turn_in_either_order():
    async def main():
        lock, seen = asyncio.Lock(), []

        async def waiter(number):
            async with lock:
                seen.append(number)
                await asyncio.sleep(0)

        await lock.acquire()
        waiters = []
        for number in range(5):
            waiters.append(asyncio.create_task(waiter(number)))
            await asyncio.sleep(0)
        lock.release()
        await asyncio.gather(*waiters)
        return seen

    for seed in range(30):
        assert simulated(main, seed, order="tasks") == list(range(5))


def test_tasks_that_are_woken_together_go_on_in_any_order_where_that_is_asked_for():
    async def main():
        event, seen = asyncio.Event(), []

        async def waiter(number):
            await event.wait()
            seen.append(number)

        waiters = [asyncio.create_task(waiter(number)) for number in range(4)]
        await asyncio.sleep(1)
        event.set()
        await asyncio.gather(*waiters)
        return tuple(seen)

    assert {simulated(main, seed) for seed in range(20)} == {(0, 1, 2, 3)}
    assert len({simulated(main, seed, order="tasks") for seed in range(20)}) > 5


def test_equal_deadlines_are_left_to_chance_and_others_are_not():
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        now = loop.time() + 1
        for number in range(8):
            loop.call_at(now, seen.append, number)
            loop.call_at(now + 1 + number, seen.append, 10 + number)
        await asyncio.sleep(20)
        return tuple(seen)

    orders = {simulated(main, seed) for seed in range(40)}
    assert len(orders) > 5
    assert all(sorted(order[:8]) == list(range(8)) for order in orders)
    assert all(order[8:] == tuple(range(10, 18)) for order in orders)


def test_the_same_seed_is_the_same_run_and_another_is_another():
    async def main():
        await asyncio.gather(*(asyncio.sleep(number % 3) for number in range(9)))
        return await asyncio.to_thread(sum, [1, 2])

    def digest(seed):
        with ironloop.simulation(seed, order="tasks") as sim:
            assert sim.run(main()) == 3
        return sim.digest

    digests = [digest(seed) for seed in range(20)]
    assert digests == [digest(seed) for seed in range(20)]
    assert len(set(digests)) > 15


PROGRAM = """
import asyncio, ironloop
async def main():
    queue = asyncio.Queue(2)
    async def produce():
        for number in {1, "a", 2.5, None}: await queue.put(number)
    async def consume():
        for _ in range(4):
            await asyncio.to_thread(str, await queue.get())
            await asyncio.sleep(0.001)
    await asyncio.gather(produce(), consume(), asyncio.sleep(0.002))
for seed in range(100):
    with ironloop.simulation(seed, order="tasks") as sim:
        sim.run(main())
    print(sim.digest)
"""


def test_two_processes_agree_on_each_seed_whatever_their_hashes():
    def digests(hashes):
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(
            command, env={"PYTHONHASHSEED": hashes}, capture_output=True, text=True, check=True
        ).stdout.split()

    one = digests("1")
    assert len(set(one)) > 50
    assert one == digests("2")


def test_a_set_of_tasks_has_the_same_order_in_each_run():
    async def main():
        tasks = {asyncio.create_task(asyncio.sleep(1), name=f"{number}") for number in range(20)}
        done, _ = await asyncio.wait(tasks)
        assert done == tasks and {hash(task) for task in done} == {hash(task) for task in tasks}
        return [task.get_name() for task in done], [task.get_name() for task in tasks]

    rooms = []
    orders = []
    for number in range(10):
        rooms.append([object() for _ in range(1000 * number)])
        orders.append(simulated(main))
    assert all(order == orders[0] for order in orders)
