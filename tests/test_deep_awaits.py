"""Very many awaits within each other: an error as of any recursion, and never the end of the process.

Each runs in a process of its own, which a fault would end.
"""

import sys

import pytest
from programs import run_program

PROGRAM = """\
import asyncio, gc, sys, threading, warnings

warnings.simplefilter("ignore")

def nested(n, delay):
    coroutine = asyncio.sleep(delay)
    for _ in range(n):
        coroutine = asyncio.wait_for(coroutine, 1000)
    return coroutine

async def wait(n):
    await nested(n, 0)

async def drop(n):
    nested(n, 0)

async def cancel(n):
    async def body():
        await nested(n, 1000)

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass

async def close(n):
    coroutine = nested(n, 1000)

    async def step():
        coroutine.send(None)

    await asyncio.create_task(step())
    coroutine.close()

async def forget(n):
    coroutine = nested(n, 1000)

    async def step():
        coroutine.send(None)

    await asyncio.create_task(step())
    del step, coroutine
    gc.collect()

async def between(n):
    if n:
        await asyncio.wait_for(between(n - 1), 1000)

def main(name, n):
    try:
        asyncio.run(globals()[name](int(n)))
    except RecursionError:
        print("RecursionError")
    else:
        print("done")

name, n, limit, stack = sys.argv[1:]
if limit != "0":
    sys.setrecursionlimit(int(limit))
if stack != "0":
    threading.stack_size(int(stack))
    thread = threading.Thread(target=main, args=(name, n))
    thread.start()
    thread.join()
else:
    main(name, n)
"""

needs_no_tasks = pytest.mark.skipif(sys.version_info < (3, 12), reason="wait_for makes a task of each")


@pytest.fixture
def deep(python, tmp_path):
    """Runs a part of the program: how it ended."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def run(name, n, limit=0, stack=0):
        done = run_program([*python, program, name, str(n), str(limit), str(stack)])
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.mark.parametrize("name", ["wait", "drop", "cancel", "close", "forget"])
@needs_no_tasks
def test_some_hundreds_are_nothing(deep, name):
    assert deep(name, 400) == "done"


@pytest.mark.parametrize("name", ["wait", "cancel", "close", "forget"])
@needs_no_tasks
def test_more_than_the_interpreters_limit_are_an_error(deep, name):
    assert deep(name, 20_000) == "RecursionError"
    assert deep(name, 2_000, limit=500) == "RecursionError"


def test_many_that_nobody_awaits_fall_one_by_one(deep, loop_name):
    """Coroutines of Python code fall through the stack, so asyncio's are fewer."""
    assert deep("drop", 100_000 if loop_name == "ironloop" else 1_000) == "done"


@pytest.mark.parametrize("name", ["wait", "drop", "cancel", "close", "forget", "between"])
def test_a_limit_that_a_program_has_raised_does_not_end_the_process(deep, loop_name, name):
    """There the stack is the limit; of asyncio's, which needs less of it, nobody counts how deep they are."""
    n = 20_000 if loop_name == "ironloop" else 1_000
    assert deep(name, n, limit=1_000_000) in ("done", "RecursionError")


@pytest.mark.parametrize("name", ["wait", "drop", "cancel", "close", "forget", "between"])
def test_a_thread_with_a_small_stack(deep, name):
    assert deep(name, 60, stack=512 * 1024) == "done"
    assert deep(name, 900, limit=10_000, stack=512 * 1024) in ("done", "RecursionError")
