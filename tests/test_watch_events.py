"""What a recording has beside tasks: blocks, connections, jobs, the collector, timers, who cancelled."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import ironloop
import pytest
from watched import await_text, begun_in, view


@pytest.fixture
def program(tmp_path):
    yield from begun_in(tmp_path)


BLOCKS = """
    import asyncio, ironloop, time

    def fetch():
        time.sleep(60)

    async def crawl():
        await asyncio.sleep(0.001)
        print("ready", flush=True)
        fetch()

    async def main():
        await asyncio.create_task(crawl(), name="crawler")

    ironloop.run(main())
"""


@pytest.mark.parametrize("watch", ["1", ""])
def test_a_block_stands_in_the_file_with_its_task_and_its_stack_while_it_lasts(program, watch):
    child = program(BLOCKS, IRONLOOP_WATCH=watch, IRONLOOP_BLOCKED="0.05")
    seen = await_text("! blocked the loop: crawler blocks the loop", "tree", str(child.pid))
    assert "in fetch, " in seen and "program.py:5" in seen


def test_a_trace_has_the_block_with_its_stack(tmp_path):
    path = tmp_path / "app.py"
    path.write_text(textwrap.dedent(BLOCKS).replace("time.sleep(60)", "time.sleep(0.3)"))
    to = tmp_path / "run.json"
    environment = {**os.environ, "IRONLOOP_BLOCKED": "0.05"}
    words = [sys.executable, "-m", "ironloop", "--trace", to, path]
    subprocess.run(words, check=True, capture_output=True, timeout=60, env=environment)
    events = json.loads(to.read_text())["traceEvents"]
    (block,) = [event for event in events if event["name"] == "blocked"]
    assert block["args"]["text"].split("\n")[0] == "crawler"
    assert block["args"]["text"].split("\n")[-1] == f"fetch ({path}:5)"
    assert block["dur"] > 200_000


def test_a_block_saves_the_last_seconds(program, tmp_path):
    child = program(BLOCKS, IRONLOOP_SNAPSHOTS=str(tmp_path / "saved"), IRONLOOP_BLOCKED="0.05")
    deadline = time.monotonic() + 60
    while not (
        saved := list((tmp_path / "saved").glob("*.ironloop")) if (tmp_path / "saved").exists() else []
    ):
        assert time.monotonic() < deadline
    child.kill()
    child.wait()
    assert [path.name.split("-")[0] for path in saved] == ["blocked"]
    seen = view("tree", str(saved[0]))
    assert "saved" in seen.splitlines()[0]
    assert "! blocked the loop: crawler blocks the loop" in seen and "crawler crawl(): RUNNING" in seen


def test_a_signal_saves_the_last_seconds(program, tmp_path):
    child = program(
        f"""
        import asyncio, ironloop, signal

        async def main():
            ironloop.flight_recorder({str(tmp_path)!r}, signal=signal.SIGUSR2)
            await asyncio.sleep(0)
            asyncio.create_task(asyncio.sleep(1000), name="sleeper")
            await asyncio.sleep(0)
            print("ready", flush=True)
            await asyncio.sleep(1000)

        ironloop.run(main())
        """,
        IRONLOOP_WATCH="",
    )
    child.send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + 60
    while not (saved := list(tmp_path.glob("signal-*.ironloop"))):
        assert time.monotonic() < deadline
    child.send_signal(signal.SIGUSR2)
    while len(list(tmp_path.glob("signal-*.ironloop"))) < 2:
        assert time.monotonic() < deadline
    assert "sleeper sleep(): SUSPENDED on sleep" in view("tree", str(saved[0]))


def trace(tmp_path, text: str, *switches: str, **variables: str) -> list[dict]:
    """What a program has left, as Chrome's events."""
    path, to = tmp_path / "app.py", tmp_path / "run.json"
    path.write_text(textwrap.dedent(text))
    words = [sys.executable, *switches, "-m", "ironloop", "--trace", to, path]
    environment = {**os.environ, **variables}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(to.read_text())["traceEvents"]


def texts(events: list[dict], name: str) -> list[str]:
    return [event["args"]["text"] for event in events if event["name"] == name]


def test_connections_that_are_made_and_lost_are_events(tmp_path):
    events = trace(
        tmp_path,
        """
        import asyncio

        async def serve(reader, writer):
            writer.write(await reader.read(5))
            writer.close()

        async def main():
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello")
            assert await reader.read() == b"hello"
            writer.close()
            await writer.wait_closed()
            server.close()

        asyncio.run(main())
        """,
    )
    seen = [text.split()[-1] for text in texts(events, "connection")]
    assert sorted(seen) == ["accepted", "closed", "closed", "opened"]


def test_the_page_counts_bytes_of_connections():
    async def main():
        path = ironloop.watch()
        got = asyncio.get_running_loop().create_future()

        class Server(asyncio.Protocol):
            def data_received(self, data):
                got.set_result(len(data))

        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x" * 1000)
        await got
        writer.close()
        server.close()
        with open(path, "rb") as page:
            # Words 27 and 28 of docs/design/watch-file.md.
            page.seek(27 * 8)
            return [int.from_bytes(page.read(8), "little") for _ in range(2)]

    assert ironloop.run(main()) == [1000, 1000]


def test_jobs_of_threads_are_events_and_a_task_waits_for_one(tmp_path):
    events = trace(
        tmp_path,
        """
        import asyncio, threading

        def work(begun, go):
            begun.set()
            go.wait()

        async def main():
            begun, go = threading.Event(), threading.Event()
            task = asyncio.create_task(asyncio.to_thread(work, begun, go), name="waiter")
            while not begun.is_set():
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            go.set()
            await task
            await asyncio.sleep(0)

        asyncio.run(main())
        """,
    )
    jobs = [event for event in events if event["name"] == "executor"]
    assert any(event["dur"] > 1000 for event in jobs), jobs
    waits = [event["args"]["waits for"] for event in events if event.get("cat") == "step"]
    assert "executor job" in waits


def test_a_function_goes_to_other_executors_as_it_is():
    class Executor:
        def submit(self, function, *args):
            import concurrent.futures

            future = concurrent.futures.Future()
            future.set_result((function, args))
            return future

    async def main():
        ironloop.watch()
        return await asyncio.get_running_loop().run_in_executor(Executor(), len, "abc")

    assert ironloop.run(main()) == (len, ("abc",))


def test_pauses_of_the_collector_are_events_and_nobody_listens_afterwards(tmp_path):
    events = trace(
        tmp_path,
        """
        import asyncio, gc

        before = list(gc.callbacks)

        async def main():
            await asyncio.sleep(0)
            assert len(gc.callbacks) == len(before) + 1
            gc.collect()
            await asyncio.sleep(0)

        asyncio.run(main())
        assert gc.callbacks == before
        """,
    )
    assert any(text.startswith("generation 2, ") for text in texts(events, "collector"))


def test_a_timer_that_is_late_is_an_event(tmp_path):
    events = trace(
        tmp_path,
        """
        import asyncio, time

        def ring(): pass

        async def main():
            asyncio.get_running_loop().call_later(0.001, ring)
            time.sleep(0.05)
            await asyncio.sleep(0.01)

        asyncio.run(main())
        """,
    )
    (text,) = texts(events, "late timer")
    assert text.startswith("ring was ") and text.endswith(" ms late")


def test_who_cancelled_a_task_is_told_and_which_timeout(tmp_path):
    events = trace(
        tmp_path,
        """
        import asyncio

        async def sleeps():
            await asyncio.sleep(100)

        async def limited():
            async with asyncio.timeout(0.02):
                async with asyncio.timeout(50):
                    await asyncio.sleep(100)

        async def quits(task):
            task.cancel()

        def later(task):
            task.cancel()

        async def main():
            loop = asyncio.get_running_loop()
            a = asyncio.create_task(sleeps(), name="a")
            b = asyncio.create_task(asyncio.wait_for(sleeps(), 0.01), name="b")
            c = asyncio.create_task(limited(), name="c")
            d = asyncio.create_task(sleeps(), name="d")
            e = asyncio.create_task(sleeps(), name="e")
            e.cancel()  # not begun: it waits for nothing yet
            await asyncio.sleep(0)
            await asyncio.create_task(quits(a), name="killer")
            loop.call_soon(later, d)
            await asyncio.gather(a, b, c, d, e, return_exceptions=True)

        asyncio.run(main())
        """,
    )
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    seen = {
        (names[event["tid"]], event["args"]["text"]) for event in events if event.get("cat") == "cancelled"
    }
    place = tmp_path / "app.py"
    assert ("a", "cancelled by killer") in seen
    assert ("c", f"cancelled by timeout(0.02) at {place}:8") in seen
    assert ("d", "cancelled by later") in seen
    if sys.version_info >= (3, 12):
        # Before, `wait_for` made a task of what it waits for.
        assert any(name == "b" and text.startswith("cancelled by wait_for(0.01) at ") for name, text in seen)
    assert ("e", "cancelled by Task-1") in seen
    assert not any(text.startswith("cancelled by timeout(50)") for _, text in seen)


def test_a_recording_that_was_saved_becomes_a_trace(tmp_path):
    saved, to = tmp_path / "saved.ironloop", tmp_path / "run.json"

    async def main():
        ironloop.watch()
        await asyncio.create_task(asyncio.sleep(0), name="sleeper")
        ironloop.snapshot(saved)

    ironloop.run(main())
    words = [sys.executable, "-m", "ironloop", "replay", saved, "--to"]
    subprocess.run([*words, to], check=True, timeout=60)
    events = json.loads(to.read_text())["traceEvents"]
    assert "sleeper" in {event["args"]["name"] for event in events if event["name"] == "thread_name"}
    done = subprocess.run([*words, tmp_path / "run.txt"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count(".perfetto")) == (1, 1)
