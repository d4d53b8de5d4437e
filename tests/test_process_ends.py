"""When wait() of a child process ends, and what a communicate() that was cancelled has left."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE

import pytest
from support import PATIENCE, until

# A program that does what it reads from the FIFO named: lines of Python.
OBEYS = (
    sys.executable,
    "-S",
    "-W",
    "ignore",
    "-c",
    "import os, sys, time\nfor line in open(sys.argv[1]): exec(line)",
)


@contextlib.asynccontextmanager
async def obeying(path, **options):
    """A child, and a function that has it execute a line; it ends after the last line, or is killed."""
    os.mkfifo(path)
    process = await asyncio.create_subprocess_exec(*OBEYS, path, **options)
    # Only when it has opened its end.
    fifo = await asyncio.to_thread(open, path, "w")
    try:
        yield process, lambda line: print(line, file=fifo, flush=True)
    finally:
        fifo.close()
        if process.returncode is None:
            process.kill()
        await asyncio.wait_for(process.wait(), PATIENCE)


async def cancelled_communicate(process, begun):
    """A communicate() that is cancelled once ``begun()``."""
    task = asyncio.ensure_future(process.communicate())
    await until(begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# cpython#119710: mended in the patch releases of 2025.
ENDS = asyncio.base_subprocess.BaseSubprocessTransport._call_connection_lost
WAITS_FOR_PIPES = "_exit_waiters" in ENDS.__code__.co_names


def test_wait_ends_though_a_grandchild_has_the_pipe(run, loop_name):
    if loop_name == "asyncio" and WAITS_FOR_PIPES:
        pytest.skip("cpython#119710: wait() ends when the grandchild does")

    async def main():
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", "sleep 3600 & echo $!; exit 3", stdout=PIPE
        )
        grandchild = int(await process.stdout.readline())
        try:
            waits = [asyncio.ensure_future(process.wait()) for _ in range(3)]
            waits[0].cancel()
            assert await asyncio.wait_for(asyncio.gather(*waits[1:]), PATIENCE) == [3, 3]
            assert waits[0].cancelled()
            assert process.returncode == 3
            assert await process.wait() == 3
            assert not process.stdout.at_eof()
        finally:
            os.kill(grandchild, signal.SIGKILL)
        assert await process.communicate() == (b"", None)

    run(main)


def test_what_a_cancelled_communicate_has_read_comes_later(run, loop_name, tmp_path):
    if loop_name == "asyncio":
        pytest.skip("cpython#139373: it is lost")

    async def main():
        async with obeying(tmp_path / "fifo", stdout=PIPE, stderr=PIPE) as (process, do):
            for number in range(3):
                do(f"os.write(1, b'{number}' * 100_000)")
                do(f"os.write(2, b'error {number}, ')")
                do(f"open({str(tmp_path / 'written')!r}, 'w').close()")
                await cancelled_communicate(process, (tmp_path / "written").exists)
                os.unlink(tmp_path / "written")
            do("os.close(1)")
            do("sys.exit(4)")
            output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
            assert output == b"0" * 100_000 + b"1" * 100_000 + b"2" * 100_000
            assert errors == b"error 0, error 1, error 2, "
            assert process.returncode == 4
            # Once only.
            assert await process.communicate() == (b"", b"")

    run(main)


def test_one_stream_has_ended_when_communicate_is_cancelled(run, loop_name, tmp_path):
    if loop_name == "asyncio":
        pytest.skip("cpython#139373: it is lost")

    async def main():
        async with obeying(tmp_path / "fifo", stdout=PIPE, stderr=PIPE) as (process, do):
            do("os.write(1, b'output'); os.close(1)")
            await cancelled_communicate(process, process.stdout.at_eof)
            do("os.write(2, b'errors'); os.close(2)")
            # All has been read, and it waits for the process alone.
            await cancelled_communicate(process, process.stderr.at_eof)
            do("sys.exit(0)")
            assert await asyncio.wait_for(process.communicate(), PATIENCE) == (b"output", b"errors")

    run(main)


def test_input_is_given_once(run, loop_name, tmp_path):
    """As with subprocess.Popen.communicate() after its timeout."""
    if loop_name == "asyncio":
        pytest.skip("cpython#139373: input is written again")

    async def main():
        size = 1_000_000
        async with obeying(tmp_path / "fifo", stdin=PIPE, stdout=PIPE) as (process, do):
            task = asyncio.ensure_future(process.communicate(bytes(size)))
            await until(lambda: process.stdin.transport.get_write_buffer_size() > 0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(ValueError, match="Cannot send input after starting communication"):
                await process.communicate(b"more")
            do("print(len(sys.stdin.buffer.read()))")
            do("sys.exit(0)")
            output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
            assert output == b"%d\n" % size

    run(main)


def test_input_that_was_not_begun_may_be_given_again(run):
    async def main():
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        task = asyncio.ensure_future(process.communicate(b"input"))
        # It has begun, but what it has begun has not.
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.wait_for(process.communicate(b"input"), PATIENCE) == (b"input", None)

    run(main)


def test_processes_are_of_the_class_that_asyncio_has(run, loop_name):
    async def main():
        process = await asyncio.create_subprocess_exec("true")
        assert isinstance(process, asyncio.subprocess.Process)
        assert type(process).__name__ == "Process"
        assert repr(process) == f"<Process {process.pid}>"
        assert await process.communicate() == (None, None)
        return process

    process = run(main)
    if loop_name == "ironloop":
        import ironloop

        assert type(process) is ironloop.Process
