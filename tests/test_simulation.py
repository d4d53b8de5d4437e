"""Simulations: a seed rules what no program may rely on; a failure is found, made short, and played again."""

import asyncio
import concurrent.futures
import inspect
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import ironloop
import pytest
from conftest import needs_ironloop
from ironloop.simulator import Deadlock, Escape, Violation

pytestmark = needs_ironloop
HERE = Path(__file__).parent


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


# Order and chance


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


# Failures


def test_a_lost_update_is_found_and_made_short():
    test = ironloop.simulate(seeds=500, order="tasks")(lost_update)
    with pytest.raises(AssertionError, match="were booked") as caught:
        test()
    note = next(note for note in caught.value.__notes__ if "deviations" in note)
    deviations = int(note.split("fails with ")[1].split()[0])
    assert deviations <= 3
    word = note.split("replay=")[1].strip("'")
    with pytest.raises(AssertionError, match="were booked"), ironloop.simulation(replay=word) as sim:
        sim.run(lost_update())
    assert sim.deviations == deviations


async def hasty_reader():
    """It works only if the writer's second step comes before its own."""
    pieces = []

    async def write():
        pieces.append(1)
        await asyncio.sleep(0)
        pieces.append(2)

    async def read():
        await asyncio.sleep(0)
        assert pieces == [1, 2]

    await asyncio.gather(write(), read())


def test_a_failure_tells_its_last_steps_and_where_a_run_that_passes_goes_another_way():
    test = ironloop.simulate(seeds=500, order="tasks")(hasty_reader)
    with pytest.raises(AssertionError) as caught:
        test()
    summary, story = caught.value.__notes__
    deviations = int(summary.split("fails with ")[1].split()[0])
    assert 1 <= deviations <= 3, summary
    assert "hasty_reader() 1 ran to test_simulation.py:" in story
    assert "read() 1 raised AssertionError" in story
    assert story.count("fails: ") == story.count("passes: ") == 1, story
    # The same in words, each time.
    with pytest.raises(AssertionError) as again:
        test()
    assert again.value.__notes__ == [summary, story]


def test_what_fails_by_itself_has_no_run_that_passes_beside_it():
    @ironloop.simulate(seeds=3)
    async def test():
        raise KeyError(1)

    with pytest.raises(KeyError) as caught:
        test()
    summary, story = caught.value.__notes__
    assert "fails with 0 deviations (found by run 1 of 3" in summary
    assert "where nobody interferes" in story


def test_what_depends_on_more_than_its_seed_is_told_as_that():
    runs = 0

    @ironloop.simulate(seeds=3)
    async def test():
        nonlocal runs
        runs += 1
        assert runs != 2

    with pytest.raises(AssertionError) as caught:
        test()
    assert "depends on more than that" in caught.value.__notes__[1]


def test_what_leaves_a_simulation_says_how_to_come_back():
    async def main():
        await asyncio.sleep(1)
        raise KeyError("missing")

    with pytest.raises(KeyError) as caught, ironloop.simulation(seed=5) as sim:
        sim.run(main())
    (note,) = caught.value.__notes__
    assert "seed=5" in note and repr(sim.replay) in note


@pytest.mark.parametrize("word", ["", "other-", "tasks-!", "tasks-AAAA"])
def test_what_is_no_replay_is_refused(word):
    with pytest.raises(ValueError, match="not a replay"):
        ironloop.simulation(replay=word)


def test_a_decorated_test_takes_arguments_and_its_simulation():
    seen = []

    @ironloop.simulate(seeds=3)
    async def test(number, sim, *, more=1):
        """What it does."""
        seen.append((number, more, sim.time()))

    assert list(inspect.signature(test).parameters) == ["number", "more"]
    assert not inspect.iscoroutinefunction(test) and test.__doc__ == "What it does."
    assert test(5, more=2) is None
    assert [each[:2] for each in seen] == [(5, 2)] * 3
    with pytest.raises(ValueError, match="at least 1"):
        ironloop.simulate(seeds=0)
    with pytest.raises(TypeError, match="coroutine function"):
        ironloop.simulate()(print)


def test_a_verdict_that_is_no_exception_is_a_failure_and_to_be_skipped_is_none():
    @ironloop.simulate(seeds=3)
    async def fails():
        pytest.fail("it does")

    @ironloop.simulate(seeds=3)
    async def skips():
        pytest.skip("it does")

    with pytest.raises(pytest.fail.Exception, match="it does") as caught:
        fails()
    assert "replay=" in caught.value.__notes__[0]
    with pytest.raises(pytest.skip.Exception):
        skips()


def test_a_seed_that_is_none_is_refused():
    with pytest.raises(ValueError, match="seed must be"):
        ironloop.simulation(seed=-1)


def test_an_order_that_is_none_is_refused():
    with pytest.raises(ValueError, match="order must be"):
        ironloop.simulation(order="random")


# Waiting for ever


def test_two_locks_in_a_circle_are_a_deadlock_that_names_who_waits():
    async def main():
        first, second = asyncio.Lock(), asyncio.Lock()

        async def both(one, other):
            async with one:
                await asyncio.sleep(1)
                async with other:
                    pass

        async with asyncio.TaskGroup() as group:
            group.create_task(both(first, second), name="up")
            group.create_task(both(second, first), name="down")

    with pytest.raises(Deadlock) as caught:
        simulated(main)
    told = str(caught.value)
    assert "up at test_simulation.py" in told and "for lock <ironloop.Lock object" in told
    assert "held by down" in told and "held by up" in told
    assert "a circle: down waits for up waits for down" in told


def test_who_waits_for_nobody_is_found():
    async def main():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock, match="these tasks wait"):
        simulated(main)


def test_a_thread_that_works_is_no_deadlock():
    async def main():
        loop = asyncio.get_running_loop()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return await loop.run_in_executor(pool, threading.Event().wait, 0.01)

    assert simulated(main) is False


# Threads


def test_threads_answer_in_the_order_of_their_seed():
    async def main():
        done = []

        async def ask(number):
            await asyncio.to_thread(int, number)
            done.append(number)

        await asyncio.gather(*map(ask, range(4)))
        return tuple(done)

    orders = [simulated(main, seed) for seed in range(30)]
    assert orders == [simulated(main, seed) for seed in range(30)]
    assert len(set(orders)) > 5


def test_a_threads_error_arrives_and_one_that_calls_back_is_answered():
    async def main():
        loop = asyncio.get_running_loop()

        async def answer(number):
            await asyncio.sleep(5)
            return number * 2

        def ask():
            return asyncio.run_coroutine_threadsafe(answer(21), loop).result(60)

        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return await asyncio.to_thread(ask)

    assert simulated(main) == 42


def test_an_executor_takes_its_jobs_in_order_and_those_given_to_it_are_done():
    async def main():
        loop, done = asyncio.get_running_loop(), []
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            jobs = [loop.run_in_executor(pool, done.append, number) for number in range(5)]
        await asyncio.gather(*jobs)
        loop.run_in_executor(None, done.append, "last")
        return done

    for seed in range(20):
        assert simulated(main, seed) == [0, 1, 2, 3, 4, "last"]


def test_a_thread_that_waits_for_the_loop_by_other_means_is_not_waited_for():
    async def main():
        event = threading.Event()
        waiting = asyncio.create_task(asyncio.to_thread(event.wait, 60))
        await asyncio.sleep(1)
        event.set()
        return await waiting

    assert simulated(main) is True


def test_chance_rules_the_random_module_too():
    async def main():
        return random.random()

    before = random.getstate()
    assert simulated(main, 1) == simulated(main, 1) != simulated(main, 2)
    assert random.getstate() == before


def test_an_executor_that_is_closed_says_so():
    async def main():
        pool = concurrent.futures.ThreadPoolExecutor(1)
        pool.shutdown()
        with pytest.raises(RuntimeError, match="after shutdown"):
            await asyncio.get_running_loop().run_in_executor(pool, int)

    simulated(main)


def test_to_stand_still_for_a_thread_is_not_told_as_a_block():
    program = (
        "import asyncio, time, ironloop\n"
        "async def main(): await asyncio.to_thread(time.sleep, 0.05)\n"
        "with ironloop.simulation(1) as sim: sim.run(main())\n"
    )
    environment = {**os.environ, "IRONLOOP_BLOCKED": "0.01"}
    told = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert told.stderr == b""


# The border


@pytest.mark.parametrize(
    "reach",
    [
        lambda: asyncio.open_connection("192.0.2.1", 9),
        lambda: asyncio.open_connection("name.invalid", 9),
        lambda: asyncio.start_server(lambda *_: None, "192.0.2.1", 0),
        lambda: asyncio.create_subprocess_exec(sys.executable, "-c", ""),
    ],
    ids=["connect", "look up", "listen", "process"],
)
def test_what_reaches_out_raises_where_it_happens(reach):
    async def main():
        await reach()

    with pytest.raises(Escape):
        simulated(main)


def test_a_simulation_in_a_simulation_is_refused():
    async def main():
        nothing = asyncio.sleep(0)
        try:
            with ironloop.simulation(1) as sim:
                sim.run(nothing)
        finally:
            nothing.close()

    with pytest.raises(Escape, match="in this thread already"):
        simulated(main)


def test_outside_of_it_everything_is_as_before(tmp_path):
    simulated(lambda: asyncio.sleep(1))
    assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0


def test_unix_sockets_are_inside(tmp_path):
    async def main():
        async def serve(reader, writer):
            writer.write((await reader.readline()).upper())
            writer.close()

        async with await asyncio.start_unix_server(serve, tmp_path / "socket"):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
            writer.write(b"line\n")
            answer = await asyncio.wait_for(reader.read(), 60)
            writer.close()
            await writer.wait_closed()
            return answer

    assert {simulated(main, seed) for seed in range(10)} == {b"LINE\n"}


# What has to hold


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
