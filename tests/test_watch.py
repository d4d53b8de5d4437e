"""What a recorded loop says of its tasks: in the program, and to viewers in other processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import ironloop
import pytest
from ironloop._ironloop import monitor
from shown import Shown
from watched import DEADLOCK, begun_in, view

unrecorded = pytest.mark.skipif(os.environ.get("IRONLOOP_WATCH") == "1", reason="everything is recorded")


@pytest.fixture
def program(tmp_path):
    yield from begun_in(tmp_path)


def test_the_tree_of_a_running_program_names_what_each_task_waits_for_and_a_deadlock(program):
    child = program(DEADLOCK)
    text = view("tree", str(child.pid))
    assert "sleeper sleep(): SUSPENDED on sleep, " in text
    assert "getter Queue.get(): SUSPENDED on get of Queue" in text
    assert "deadlock: one waits for Lock" in text or "deadlock: other waits for Lock" in text
    assert "held by one" in text and "held by other" in text


def test_the_tree_as_json_has_the_gathered_tasks_below_who_waits_for_them(program):
    child = program(DEADLOCK)
    deadline = time.monotonic() + 30
    while True:
        found = json.loads(view("tree", "--json", str(child.pid)))
        (main,) = [task for task in found["tasks"] if task["coroutine"] == "main"]
        if main["state"] == "SUSPENDED" or time.monotonic() > deadline:
            break
    assert {task["name"] for task in main["awaits"]} == {"one", "other", "sleeper", "getter"}
    assert found["warnings"][0]["kind"] == "deadlock"
    (one,) = [task for task in main["awaits"] if task["name"] == "one"]
    assert one["steps"] == 2 and one["made_at"].endswith("program.py:13")


def test_a_stopped_and_a_killed_process_show_what_they_did(program):
    child = program(DEADLOCK)
    child.send_signal(signal.SIGSTOP)
    assert "sleeper" in view("tree", str(child.pid))
    child.kill()
    child.wait()
    assert "killed" in view("tree", str(child.pid))


def test_a_program_runs_on_without_a_recording_where_there_is_no_place_for_one(program, tmp_path):
    program(DEADLOCK, IRONLOOP_WATCH="0")
    program(DEADLOCK, XDG_RUNTIME_DIR=str(tmp_path))


@unrecorded
def test_tasks_say_how_they_stand_without_a_recording():
    async def waits(event):
        await event.wait()

    async def main():
        lock, event, queue = ironloop.Lock(), ironloop.Event(), ironloop.Queue()
        await lock.acquire()
        made = {
            "sleeps": asyncio.create_task(asyncio.sleep(100)),
            "locks": asyncio.create_task(lock.acquire()),
            "waits": asyncio.create_task(waits(event)),
            "gets": asyncio.create_task(queue.get()),
        }
        made["joins"] = asyncio.create_task(_join(made["sleeps"]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        made["fresh"] = asyncio.create_task(asyncio.sleep(1))
        found = {state.task: state for state in ironloop.tasks()}
        by = {name: found[task] for name, task in made.items()}
        own = found[asyncio.current_task()]
        for task in made.values():
            task.cancel()
        await asyncio.gather(*made.values(), return_exceptions=True)
        return by, own, lock, event, queue

    by, own, lock, event, queue = ironloop.run(main())
    assert own.state == "RUNNING" and own.coroutine.endswith("main")
    assert {name: (one.state, one.reason) for name, one in by.items()} == {
        "sleeps": ("SUSPENDED", "sleep"),
        "locks": ("SUSPENDED", "lock"),
        "waits": ("SUSPENDED", "event"),
        "gets": ("SUSPENDED", "queue get"),
        "joins": ("SUSPENDED", "task"),
        "fresh": ("READY", None),
    }
    assert (by["locks"].waits_for, by["waits"].waits_for, by["gets"].waits_for) == (lock, event, queue)
    assert by["joins"].awaits == [by["sleeps"]] and by["sleeps"].awaited_by == [by["joins"]]
    assert by["waits"].place.startswith(__file__)
    assert by["sleeps"].steps is None


async def _join(task):
    await task


def test_a_recorded_loop_knows_times_and_deadlocks():
    async def take(first, second):
        async with first:
            await asyncio.sleep(0)
            async with second:
                pass

    async def main():
        path = ironloop.watch()
        a, b = ironloop.Lock(), ironloop.Lock()
        tasks = [asyncio.create_task(take(a, b)), asyncio.create_task(take(b, a))]
        for _ in range(4):
            await asyncio.sleep(0)
        (cycle,) = ironloop.deadlocks()
        one = next(state for state in ironloop.tasks() if state.task is tasks[0])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return path, {state.task for state in cycle}, set(tasks), one

    path, cycle, tasks, one = ironloop.run(main())
    assert cycle == tasks
    assert (one.state, one.reason, one.steps) == ("SUSPENDED", "lock", 2)
    assert one.in_state > 0 and one.age >= one.in_state and one.running >= one.longest_step > 0
    assert not os.path.exists(path)


async def _holds_and(lock, use):
    async with lock:
        await use()


def _deadlocks_of(*, size=0, others=()):
    """Names in the cycles of two tasks that use a queue, and a lock that one holds and the other wants."""

    async def main():
        ironloop.watch()
        lock, queue = asyncio.Lock(), asyncio.Queue(size)

        async def produces():
            await queue.put(1)
            await asyncio.sleep(0.001)
            await _holds_and(lock, lambda: queue.put(2))

        async def consumes():
            await queue.get()
            await _holds_and(lock, queue.get)

        async def fills():
            await queue.put(1)
            await queue.put(2)
            async with lock:
                await queue.put(3)

        async def empties():
            await queue.get()
            await asyncio.sleep(0.001)
            await _holds_and(lock, queue.get)

        for other in others:
            await asyncio.create_task(queue.put(other)) if other == "task" else None
            asyncio.get_running_loop().call_soon(queue.put_nowait, other) if other == "callback" else None
            await asyncio.sleep(0)
            queue.get_nowait()
        both = (fills, empties) if size else (produces, consumes)
        tasks = [asyncio.create_task(each(), name=each.__name__) for each in both]
        await asyncio.sleep(0.05)
        cycles = [sorted(state.name for state in cycle) for cycle in ironloop.deadlocks()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return cycles

    return ironloop.run(main())


def test_a_deadlock_of_a_lock_and_a_queue_is_known_in_the_program():
    assert _deadlocks_of() == [["consumes", "produces"]]
    assert _deadlocks_of(size=1) == [["empties", "fills"]]
    # One that has ended cannot do it again; a callback can.
    assert _deadlocks_of(others=["task"]) == [["consumes", "produces"]]
    assert _deadlocks_of(others=["callback"]) == []


def test_a_lock_that_an_ended_task_has_left_locked_blames_nobody():
    async def main():
        ironloop.watch()
        lock = ironloop.Lock()
        await asyncio.create_task(lock.acquire())
        for _ in range(200):
            # Their rows are let to others, in time.
            await asyncio.create_task(asyncio.sleep(0))
        waits = asyncio.create_task(lock.acquire())
        others = [asyncio.create_task(_join(waits)) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        cycles = ironloop.deadlocks()
        lock.release()
        await asyncio.gather(waits, *others)
        return cycles

    assert ironloop.run(main()) == []


@pytest.mark.parametrize("inner", ["a task", "an error"])
def test_a_step_that_runs_the_loop_is_who_wakes_afterwards(inner):
    """And it runs, goes on by itself and uses queues under its own name."""
    loop = ironloop.new_event_loop(nested=True)

    async def fails():
        await asyncio.sleep(0)
        raise SystemExit

    async def main():
        path = ironloop.watch()
        await asyncio.sleep(0)
        queue = asyncio.Queue()
        getter = asyncio.create_task(queue.get(), name="getter")
        await asyncio.sleep(0)
        if inner == "a task":
            assert loop.run_until_complete(asyncio.sleep(0.001, 5)) == 5
        else:
            with pytest.raises(SystemExit):
                loop.run_until_complete(fails())
        queue.put_nowait(1)
        seen = json.loads(view("tree", "--json", path))["tasks"]
        await getter
        waits = asyncio.create_task(queue.get(), name="waits")
        (me,) = [state for state in ironloop.tasks() if state.task is asyncio.current_task()]
        for _ in range(2):
            await asyncio.sleep(0)
        (other,) = [state for state in ironloop.tasks() if state.task is waits]
        waits.cancel()
        return {task["name"]: task for task in seen}, me, other

    seen, me, other = loop.run_until_complete(main())
    loop.close()
    assert seen["getter"]["waits_for"] == f"to run; woken by {me.name}"
    assert seen[me.name]["state"] == "RUNNING"
    assert [task.name for task in other.awaits] == [me.name]


def test_a_recording_counts_the_items_performed():
    async def main():
        path = ironloop.watch()
        counts = []
        for _ in range(2):
            for _ in range(50):
                await asyncio.sleep(0)
            with open(path, "rb") as page:
                # The heartbeat of docs/design/watch-file.md: the lowest bit says that the loop sleeps.
                page.seek(24 * 8)
                counts.append(int.from_bytes(page.read(8), "little") >> 1)
        return counts

    first, second = ironloop.run(main())
    assert first >= 49 and second - first >= 50


def test_a_group_and_gathered_tasks_are_what_is_waited_for():
    async def main():
        async def group():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.sleep(100), name="in the group")

        async def gathers():
            await ironloop.gather(asyncio.create_task(asyncio.sleep(100), name="gathered"))

        both = [asyncio.create_task(group(), name="group"), asyncio.create_task(gathers(), name="gathers")]
        for _ in range(3):
            await asyncio.sleep(0)
        found = {state.name: [other.name for other in state.awaits] for state in ironloop.tasks()}
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        return found

    found = ironloop.run(main())
    assert found["group"] == ["in the group"] and found["gathers"] == ["gathered"]


def test_a_snapshot_is_there_when_its_loop_is_gone(tmp_path):
    saved = tmp_path / "saved"

    async def main():
        ironloop.watch()
        task = asyncio.create_task(asyncio.sleep(100), name="sleeper")
        await asyncio.sleep(0)
        ironloop.snapshot(saved)
        task.cancel()

    ironloop.run(main())
    assert "sleeper sleep(): SUSPENDED on sleep" in view("tree", str(saved))


def test_a_snapshot_does_not_go_where_the_recording_is(tmp_path):
    async def main():
        recording = ironloop.watch()
        (tmp_path / "link").symlink_to(recording)
        for path in (recording, tmp_path / "link"):
            with pytest.raises(ValueError, match="is the recording itself"):
                ironloop.snapshot(path)
        await asyncio.sleep(0)

    ironloop.run(main())


@unrecorded
def test_nothing_is_recorded_unless_somebody_asks():
    async def main():
        await asyncio.sleep(0.001)
        with pytest.raises(RuntimeError, match="not recorded"):
            ironloop.snapshot("/dev/null")
        path = asyncio.get_running_loop()._recording()
        return path and os.stat(path).st_size

    assert ironloop.run(main()) in (None, 4096)


@pytest.mark.parametrize("end", ["html", "json", "perfetto"])
def test_a_program_leaves_a_trace_in_the_asked_format(tmp_path, end):
    path = tmp_path / "app.py"
    path.write_text(
        "import asyncio\n"
        "async def work(): await asyncio.sleep(0.001)\n"
        "async def main(): await asyncio.gather(*(work() for _ in range(10)))\n"
        "asyncio.run(main())\n"
    )
    to = tmp_path / f"run.{end}"
    done = subprocess.run(
        [sys.executable, "-m", "ironloop", "--trace", to, path], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, f"ironloop: the trace is in {to}\n")
    if end == "json":
        assert "work" in json.dumps(json.loads(to.read_text()))
    else:
        assert to.stat().st_size > 500


def test_a_trace_that_cannot_be_written_leaves_the_recording(tmp_path):
    path = tmp_path / "app.py"
    program = "import asyncio, shutil, sys\nasyncio.run(asyncio.sleep(0))\nshutil.rmtree(sys.argv[1])\n"
    path.write_text(program)
    folder = tmp_path / "traces"
    words = [sys.executable, "-m", "ironloop", "--trace", folder / "run.json", path, folder]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--trace cannot write" in done.stderr
    folder.mkdir()
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    recording = done.stderr.split()[-1]
    assert "ironloop: no trace: " in done.stderr and "python -m ironloop replay " in done.stderr
    try:
        assert "(MainThread), " in view("tree", recording)
    finally:
        os.unlink(recording)


def test_top_without_a_terminal_and_a_reader_that_leaves_are_no_panics(program):
    child = program(DEADLOCK)
    words = [sys.executable, "-m", "ironloop"]
    done = subprocess.run([*words, "top", str(child.pid)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("ironloop: top needs a terminal")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*words, "tree", str(child.pid)], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_ends_the_page_in_the_browser(program):
    child = program(DEADLOCK)
    words = [sys.executable, "-m", "ironloop", "web", str(child.pid)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as web:
        assert web.stdout.readline().startswith("http://127.0.0.1:")
        web.send_signal(signal.SIGINT)
        assert web.wait(timeout=60) == -signal.SIGINT


def test_what_cannot_be_viewed_says_why(tmp_path):
    (tmp_path / "no").write_text("no recording")
    with pytest.raises(ValueError):
        monitor(["tree", str(tmp_path / "no")])
    done = subprocess.run(
        [sys.executable, "-m", "ironloop", "replay", tmp_path / "absent"], capture_output=True, text=True
    )
    assert done.returncode == 1 and "ironloop: " in done.stderr


def test_a_task_whose_exception_nobody_asks_for_is_named(program):
    child = program(
        """
        import asyncio, ironloop

        async def fails():
            raise ValueError

        async def main():
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            asyncio.create_task(fails(), name="lost")
            await asyncio.sleep(0.001)
            await asyncio.sleep(0)
            print("ready", flush=True)
            await asyncio.sleep(1000)

        ironloop.run(main())
        """
    )
    assert "! exception never retrieved: nobody asked lost how it ended" in view("tree", str(child.pid))


def test_a_task_that_never_yields_is_named_while_it_runs(program):
    child = program(
        """
        import asyncio, ironloop

        async def spins():
            print("ready", flush=True)
            while True:
                pass

        async def main():
            await asyncio.create_task(spins(), name="spinner")

        ironloop.run(main())
        """
    )
    deadline = time.monotonic() + 30
    while "! never yielded: spinner has run for" not in view("tree", str(child.pid)):
        assert time.monotonic() < deadline


def test_top_shows_10_000_tasks_and_draws_on_while_their_process_is_stopped_at_no_cost_to_it(program):
    child = program(
        """
        import asyncio, functools, ironloop

        async def main():
            tasks = [asyncio.create_task(asyncio.sleep(1000), name=f"sleeper-{n}") for n in range(10_000)]
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(functools.partial(print, "ready", flush=True))
            await asyncio.gather(*tasks)

        ironloop.run(main())
        """
    )

    def spent() -> int:
        """The ticks of the processor that it has had."""
        with open(f"/proc/{child.pid}/stat", encoding="ascii") as file:
            return sum(int(word) for word in file.read().rpartition(")")[2].split()[11:13])

    with Shown(sys.executable, "-m", "ironloop", "top", str(child.pid)) as shown:
        shown.until("10,001")
        # All its tasks sleep, so all that it spends would be for the viewer.
        before = spent()
        frames(shown, 3)
        assert spent() - before <= 1
        child.send_signal(signal.SIGSTOP)
        # Only what has changed is drawn, so a word is whole where no letter stays.
        shown.until("stopped")
        frames(shown, 2)
        shown.press("\r")
        shown.until("chain")
        shown.press("q")
        assert shown.end() == 0


def test_top_ends_with_its_terminal(program):
    child = program(DEADLOCK)
    with Shown(sys.executable, "-m", "ironloop", "top", str(child.pid)) as shown:
        shown.until("SUSPENDED")
        gone, shown.master = shown.master, os.open(os.devnull, os.O_RDONLY)
        os.close(gone)
        assert shown.process.wait(60) == 1


def frames(shown: Shown, count: int) -> None:
    """Waits for so many more frames: in each the times go on."""
    for _ in range(count):
        before = len(shown.text)
        deadline = time.monotonic() + 30
        while len(shown.text) == before:
            assert time.monotonic() < deadline
            shown.read()


def test_numbers_for_prometheus(program):
    child = program(DEADLOCK)
    text = view("metrics", str(child.pid))
    assert 'ironloop_tasks{state="SUSPENDED",reason="lock"} 2' in text
    assert 'ironloop_tasks{state="SUSPENDED",reason="sleep"} 1' in text
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert int(numbers["ironloop_tasks_made_total"]) == 5
    assert numbers["ironloop_step_seconds_count"] == numbers['ironloop_step_seconds_bucket{le="+Inf"}']
    assert int(numbers["ironloop_step_seconds_count"]) >= 8
