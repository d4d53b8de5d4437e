"""Work on threads: run_in_executor, the default executor and its end."""

import asyncio
import concurrent.futures
import sys
import threading

import pytest
from support import PATIENCE


def test_run_in_executor_runs_on_another_thread(run):
    async def main():
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, threading.get_ident) != threading.get_ident()
        assert await loop.run_in_executor(None, lambda *arguments: arguments, 1, 2) == (1, 2)
        assert await asyncio.to_thread(lambda **options: options, key="value") == {"key": "value"}

    run(main)


def test_run_in_executor_raises_what_the_function_raises(run):
    async def main():
        with pytest.raises(ZeroDivisionError):
            await asyncio.get_running_loop().run_in_executor(None, lambda: 1 / 0)

    run(main)


def test_run_in_executor_takes_an_executor(run):
    async def main():
        with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="ours") as executor:
            name = await asyncio.get_running_loop().run_in_executor(
                executor, lambda: threading.current_thread().name
            )
        assert name.startswith("ours")

    run(main)


def test_set_default_executor(run):
    async def main():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="default"))
        name = await loop.run_in_executor(None, lambda: threading.current_thread().name)
        assert name.startswith("default")
        with pytest.raises(TypeError, match="executor must be ThreadPoolExecutor instance"):
            loop.set_default_executor(object())

    run(main)


def test_many_jobs_all_come_back(run):
    async def main():
        loop = asyncio.get_running_loop()
        results = await asyncio.gather(*(loop.run_in_executor(None, pow, number, 2) for number in range(500)))
        assert results == [number**2 for number in range(500)]

    run(main)


def test_the_loop_turns_while_a_thread_works(run):
    async def main():
        release = threading.Event()
        job = asyncio.get_running_loop().run_in_executor(None, release.wait, PATIENCE)
        for _ in range(10):
            await asyncio.sleep(0.001)
        assert not job.done()
        release.set()
        assert await job is True

    run(main)


def test_cancel_of_a_waiting_job_takes_it_out_of_the_queue(run):
    async def main():
        loop = asyncio.get_running_loop()
        ran, release = [], threading.Event()
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            first = loop.run_in_executor(executor, release.wait, PATIENCE)
            second = loop.run_in_executor(executor, ran.append, "second")
            second.cancel()
            await asyncio.sleep(0)  # a callback takes the news to the executor
            release.set()
            await first
            with pytest.raises(asyncio.CancelledError):
                await second
        assert ran == []

    run(main)


def test_shutdown_default_executor_waits_for_its_threads(loop):
    release, ended = threading.Event(), []

    def work():
        release.wait(PATIENCE)
        ended.append(True)

    async def main():
        job = loop.run_in_executor(None, work)
        loop.call_later(0.01, release.set)
        await loop.shutdown_default_executor()
        assert ended == [True]
        await job
        with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
            loop.run_in_executor(None, print)

    loop.run_until_complete(main())


def test_shutdown_without_an_executor_is_fine(loop):
    loop.run_until_complete(loop.shutdown_default_executor())


@pytest.mark.skipif(
    sys.version_info < (3, 13), reason="early releases of Python 3.12 wait on in spite of the timeout"
)
def test_shutdown_default_executor_gives_up_after_its_timeout(loop):
    release = threading.Event()

    async def main():
        job = loop.run_in_executor(None, release.wait, PATIENCE)
        with pytest.warns(RuntimeWarning, match="did not finishing joining its threads within 0.01 seconds"):
            await loop.shutdown_default_executor(0.01)
        release.set()
        await job

    loop.run_until_complete(main())
