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
from ironloop.simulator import Deadlock, Escape
from simulated_updates import lost_update, simulated

pytestmark = needs_ironloop

HERE = Path(__file__).parent


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
