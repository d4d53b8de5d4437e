"""Files that wait: cancelled reads, slow disks, turns, threads."""

import asyncio
import contextlib
import io
import os
import threading
import time
import warnings

import ironloop
import pytest
from ironloop import _ironloop, files
from ironloop.files import workers
from support import until


@contextlib.contextmanager
def slow_reads(monkeypatch):
    """No disk answers before the block says so: yields the events (a read has begun, reads may end)."""
    begun, go = threading.Event(), threading.Event()
    read_at = _ironloop.read_at

    def wait(*arguments):
        begun.set()
        go.wait()
        return read_at(*arguments)

    monkeypatch.setattr(_ironloop, "read_at", wait)
    try:
        yield begun, go
    finally:
        go.set()


def test_a_cancelled_read_moves_nothing(run, path, monkeypatch):
    kind = _ironloop.file_kind
    monkeypatch.setattr(_ironloop, "file_kind", lambda fd: (kind(fd)[0], False, kind(fd)[2]))
    content = bytes(range(256)) * 2_000

    async def main():
        await files.write_bytes(path, content)
        async with ironloop.open(path, "rb") as file:
            assert await file.read(100) == content[:100]
            for size in (200_000, -1, 90_000):
                with slow_reads(monkeypatch) as (begun, go):
                    task = asyncio.create_task(file.read(size))
                    await until(begun.is_set)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                    go.set()
                assert await file.tell() == 100
            assert await file.read() == content[100:]

    run(main)


def test_a_cancelled_read_of_a_pipe_loses_nothing(run):
    reading, writing = os.pipe()

    async def main():
        async with ironloop.open(reading, "rb") as file:
            task = asyncio.create_task(file.read(5))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            second = asyncio.create_task(file.read(5))
            await asyncio.sleep(0)
            await asyncio.to_thread(os.write, writing, b"first second")
            assert await second == b"first"
            os.close(writing)
            assert await file.read() == b" second"
            with pytest.raises(io.UnsupportedOperation):
                await file.seek(0)

    run(main)


def test_a_pipe_between_two_files(run, tmp_path):
    name = str(tmp_path / "pipe")
    os.mkfifo(name)

    async def write():
        async with ironloop.open(name, "w", encoding="utf-8") as file:
            await file.write("one\ntwo\n")

    async def read():
        async with ironloop.open(name, encoding="utf-8") as file:
            return [line async for line in file]

    async def main():
        lines, _ = await asyncio.gather(read(), write())
        assert lines == ["one\n", "two\n"]

    run(main)


def test_writes_are_written_in_order_whoever_is_cancelled(run, path, monkeypatch):
    write_all = _ironloop.write_all
    begun, go = threading.Event(), threading.Event()

    def slow(*arguments):
        begun.set()
        go.wait()
        return write_all(*arguments)

    monkeypatch.setattr(_ironloop, "write_all", slow)

    async def main():
        async with ironloop.open(path, "wb", 0) as file:
            tasks = [asyncio.create_task(file.write(bytes([65 + n]) * 3)) for n in range(5)]
            await until(begun.is_set)
            tasks[0].cancel()  # has begun, and is written
            tasks[2].cancel()  # has not
            await asyncio.sleep(0)
            go.set()
            await asyncio.wait(tasks)
            assert await file.tell() == 12
        assert await files.read_bytes(path) == b"AAABBBDDDEEE"

    run(main)


def test_a_slow_disk_holds_up_nobody_else(run, path, monkeypatch):
    kind = _ironloop.file_kind
    monkeypatch.setattr(_ironloop, "file_kind", lambda fd: (kind(fd)[0], False, kind(fd)[2]))

    async def main():
        await files.write_bytes(path, b"x" * 10)
        async with ironloop.open(path, "rb") as file:
            with slow_reads(monkeypatch) as (begun, go):
                task = asyncio.create_task(file.read())
                await until(begun.is_set)
                for _ in range(100):
                    await asyncio.sleep(0)
                # Other files have other threads, and so has the default executor.
                assert await files.stat(path)
                assert not task.done()
                go.set()
                assert await task == b"x" * 10

    run(main)


def test_reading_on_and_on_lets_others_run(run, path):
    async def main():
        await files.write_bytes(path, b"x" * 4096)
        turns = 0

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        async with ironloop.open(path, "rb") as file:
            for _ in range(2_000):
                await file.seek(0)
                await file.read(4096)
        task.cancel()
        assert turns >= 20

    run(main)


def test_small_files_that_are_cached_are_read_on_and_on_without_threads(run, path, monkeypatch):
    hops = 0
    submit = workers.Workers.submit

    def counting(*arguments, **options):
        nonlocal hops
        hops += 1
        return submit(*arguments, **options)

    async def main():
        await files.write_bytes(path, b"x" * 4096)
        _ironloop.renew_budget()
        if _ironloop.read_file_now(path) is None:
            pytest.skip("this file system does not tell what is cached")
        monkeypatch.setattr(workers.Workers, "submit", counting)
        turns = 0

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        for _ in range(500):
            assert await files.read_bytes(path) == b"x" * 4096
            assert await files.read_text(path, "ascii") == "x" * 4096
        assert turns >= 20
        task.cancel()
        await asyncio.gather(*(files.read_bytes(path) for _ in range(500)))
        assert hops == 0

    run(main)


@pytest.mark.parametrize("kind", ["whole", "open"])
def test_many_who_read_on_and_on_share_what_a_turn_has(run, path, kind, loop_name):
    """And each goes on in each turn."""
    many, reads = 40, [0] * 40

    async def reader(number, file):
        while True:
            if file is None:
                await files.read_bytes(path)
            else:
                await file.seek(0)
                await file.read(4096)
            reads[number] += 1

    async def main():
        await files.write_bytes(path, b"x" * 4096)
        _ironloop.renew_budget()
        if _ironloop.read_file_now(path) is None:
            pytest.skip("this file system does not tell what is cached")
        opened = [None if kind == "whole" else await files.open(path, "rb", 0) for _ in range(many)]
        tasks = [asyncio.create_task(reader(number, file)) for number, file in enumerate(opened)]
        for _ in range(5):
            await asyncio.sleep(0)
        before, turns = list(reads), 20
        for _ in range(turns):
            await asyncio.sleep(0)
        counts = [after - before for after, before in zip(reads, before, strict=True)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for file in filter(None, opened):
            await file.close()
        assert min(counts) >= turns - 1, counts
        # asyncio's own loops do not tell their turns apart.
        assert loop_name != "ironloop" or sum(counts) <= turns * 3 * many, counts

    run(main)


@pytest.mark.parametrize("when", ["before it runs", "when it has the call"])
def test_an_interrupt_while_a_thread_is_started_comes_out(run, monkeypatch, when):
    pool, called, start = workers.Workers("test-interrupted", 2), [], threading.Thread.start

    def interrupted(thread):
        if threading.current_thread() is not threading.main_thread():
            return start(thread)
        if when == "when it has the call":
            start(thread)
            while not called:
                time.sleep(0.001)
        raise KeyboardInterrupt

    async def main():
        loop = asyncio.get_running_loop()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", interrupted)
            with pytest.raises(KeyboardInterrupt):
                pool.submit(loop, called.append, 1)
        for number in range(10):
            assert await pool.submit(loop, abs, -number).future == number
        assert pool._threads <= 2
        assert called == ([] if when == "before it runs" else [1])

    run(main)


@pytest.mark.parametrize("first", [0, 1])
def test_a_thread_that_cannot_be_started_is_an_error_and_the_next_call_tries_again(run, monkeypatch, first):
    pool, start, started = workers.Workers("test-refused", 2), threading.Thread.start, []

    def refused(thread):
        if len(started) == first:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    async def main():
        loop = asyncio.get_running_loop()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refused)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await pool.submit(loop, abs, -1).future
        calls = [pool.submit(loop, abs, -number) for number in range(10)]
        assert [await call.future for call in calls] == list(range(10))
        assert pool._threads <= 2

    run(main)


def test_an_end_is_held_up_by_no_thread(path):
    # The thread reads a pipe that nobody writes to.
    reading, writing = os.pipe()
    started = time.monotonic()

    async def main():
        file = await ironloop.open(reading, "rb", closefd=False)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(file.read(1), 0.05)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")

    ironloop.run(main())
    assert time.monotonic() - started < 30
    os.write(writing, b"x")
    os.close(writing)
    os.close(reading)
