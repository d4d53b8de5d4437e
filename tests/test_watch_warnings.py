"""The programs of examples/warnings: viewers name what goes wrong. (Blocks: test_blocked_programs.)"""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest
from conftest import needs_ironloop
from programs import ROOT, TIMEOUT, clean_environment, command_for, run_program

WARNINGS = ROOT / "examples" / "warnings"

# What the tree says of each, while it waits.
NAMED = {
    "deadlock_of_two_locks": r"! deadlock: (anna|bert) waits for Lock \d+, held by (anna|bert); \w+ waits",
    "deadlock_of_a_lock_and_a_queue": r"! deadlock: (?=.*eater waits for get of Queue \d+, 0 in it)"
    r"(?=.*cook waits for Lock \d+, held by eater)",
    "exception_never_retrieved": r"! exception never retrieved: nobody asked saver how it ended",
    "slow_consumer": r"! queue that grows: Queue \d+ has grown from \d+ to \d+ \(\d+ put, \d+ got\)",
    "never_yields": r"! never yielded: counter has run for [\d.]+ m?s and has not yielded once",
    "silent_server": r"asker ask\(\): SUSPENDED on stream read.*, for [\d.]+ m?s",
    "forgotten_future": r"! waits for ever: second waits for future, which nobody else holds",
}


@needs_ironloop
@pytest.mark.parametrize("name", NAMED)
def test_the_tree_names_what_is_wrong(name):
    # As long as it takes, and then it is killed.
    environment = clean_environment(IRONLOOP_WATCH="1", IRONLOOP_BLOCKED="off")
    program = [*command_for("ironloop"), WARNINGS / f"{name}.py", "1000"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(program, cwd=ROOT, env=environment, **pipes) as child:
        try:
            text, until = "", time.monotonic() + TIMEOUT / 2
            while not re.search(NAMED[name], text):
                assert time.monotonic() < until, text
                time.sleep(0.05)
                seen = run_program([sys.executable, "-m", "ironloop", "tree", str(child.pid)])
                text = seen.stdout + seen.stderr
            if name == "forgotten_future":
                assert "first waits for" not in text
        finally:
            child.kill()


@pytest.mark.parametrize("name", [*NAMED, "cancelled_by_a_timeout"])
def test_an_example_of_a_warning_ends_by_itself(name):
    outcome = run_program([*command_for("asyncio"), WARNINGS / f"{name}.py"])
    assert outcome.returncode == 0 and outcome.stdout.strip(), outcome.stderr
    assert (outcome.stderr == "") == (name != "exception_never_retrieved")


def test_each_example_of_a_warning_is_tried():
    from test_blocked_programs import WARNINGS as BLOCKED

    assert {path.stem for path in WARNINGS.glob("*.py")} == {*NAMED, *BLOCKED, "cancelled_by_a_timeout"}


@needs_ironloop
def test_a_future_that_somebody_holds_is_not_called_forgotten(tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        "import asyncio, weakref, concurrent.futures\n"
        "kept = []\n"
        "async def by_a_list():\n    kept.append(asyncio.get_running_loop().create_future()); await kept[0]\n"
        "async def by_a_closure():\n"
        "    future = asyncio.get_running_loop().create_future()\n"
        "    kept.append(lambda: future.set_result(1))\n"
        "    await future\n"
        "async def weakly():\n"
        "    future = asyncio.get_running_loop().create_future()\n"
        "    kept.append(weakref.ref(future))\n"
        "    await future\n"
        "async def by_a_thread():\n    await asyncio.wrap_future(thread)\n"
        "async def by_another():\n    await kept[0]\n"
        "class Awaitable:\n"
        "    def __init__(self): self.future = asyncio.get_running_loop().create_future()\n"
        "    def __await__(self): self.future._asyncio_future_blocking = True; return (yield self.future)\n"
        "async def by_an_object(what):\n    await what\n"
        "async def nobody():\n    await asyncio.get_running_loop().create_future()\n"
        "async def in_time():\n"
        "    async with asyncio.timeout(1000): await asyncio.get_running_loop().create_future()\n"
        "async def waits_for(): await asyncio.wait_for(asyncio.get_running_loop().create_future(), 1000)\n"
        "async def nobody_but_a_variable():\n"
        "    async def inner():\n        future = asyncio.get_running_loop().create_future(); await future\n"
        "    await inner()\n"
        "thread = concurrent.futures.Future()\n"
        "async def main():\n"
        "    kept.clear()\n"
        "    first = asyncio.create_task(by_a_list()); await asyncio.sleep(0)\n"
        "    what = Awaitable(); kept.append(what)\n"
        "    coroutines = [by_a_closure(), weakly(), by_a_thread(), by_another(), by_an_object(what),\n"
        "        nobody(), nobody_but_a_variable(), in_time(), waits_for()]\n"
        "    tasks = [first, *(asyncio.create_task(one, name=one.__name__) for one in coroutines)]\n"
        "    await asyncio.sleep(0); print('ready', flush=True); await asyncio.wait(tasks)\n"
        "asyncio.run(main())\n"
    )
    environment = clean_environment(IRONLOOP_WATCH="1")
    with subprocess.Popen(
        [*command_for("ironloop"), program], env=environment, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            seen = run_program([sys.executable, "-m", "ironloop", "tree", str(child.pid)]).stdout
        finally:
            child.kill()
    forgotten = re.findall(r"! waits for ever: (\w+) ", seen)
    assert sorted(forgotten) == ["nobody", "nobody_but_a_variable"], seen


@needs_ironloop
def test_the_trace_says_by_which_of_two_timeouts_a_task_was_cancelled(tmp_path):
    to = tmp_path / "run.json"
    program = WARNINGS / "cancelled_by_a_timeout.py"
    outcome = run_program([sys.executable, "-m", "ironloop", "--trace", to, program])
    assert outcome.returncode == 0, outcome.stderr
    assert "cancelled by timeout(0.1) at " in to.read_text()
    assert "cancelled by timeout(30)" not in to.read_text()
