"""Whole programs whose loop is blocked: how soon that is said, and what is said of the examples."""

import os
import select
import subprocess
import sys
import textwrap
import time

import pytest
from conftest import needs_ironloop
from programs import ROOT, TIMEOUT, clean_environment, command_for, run_program
from system_calls import REFUSED

pytestmark = needs_ironloop

THRESHOLD = 0.1
# What it may take beyond the threshold until a block is named.
ALLOWANCE = 0.05

# Each block lasts some 0.4 s, on a machine of any speed.
SITUATIONS = {
    "sleeping in C": """
        def block():
            time.sleep(0.4)
    """,
    "spinning in Python": """
        def block():
            end = time.monotonic() + 0.4
            while time.monotonic() < end:
                pass
    """,
    "in C with the lock": """
        def takes(letters):
            begun = time.monotonic()
            re.match(r"(a+)+$", "a" * letters + "b")
            return time.monotonic() - begun
        letters = next(letters for letters in range(16, 40) if takes(letters) > 0.25)
        def block():
            takes(letters)
    """,
}

BLOCKS = """
async def main():
    while True:
        await asyncio.sleep(0.05)
        os.write(1, b"%f\\n" % time.monotonic())
        block()
ironloop.run(main())
"""


@pytest.mark.parametrize("refusal", [None, 1, 38], ids=["allowed", "EPERM", "ENOSYS"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_block_is_named_within_the_threshold_and_50_milliseconds(tmp_path, situation, refusal):
    """On a machine that has time: it counts if one block of many is, and no more are made then."""
    path = tmp_path / "program.py"
    refused = f"REFUSAL = {refusal}\n{REFUSED}" if refusal else ""
    begin = "import asyncio, ctypes, ironloop, os, re, sys, time\n"
    path.write_text(begin + refused + textwrap.dedent(SITUATIONS[situation]) + BLOCKS)
    environment = clean_environment(IRONLOOP_BLOCKED=str(THRESHOLD))
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, path], cwd=ROOT, env=environment, **pipes) as process:
        try:
            took = times_to_say(process)
            soonest = next((seconds for seconds in took if seconds <= THRESHOLD + ALLOWANCE), None)
        finally:
            process.kill()
    if process.returncode == 77:
        pytest.skip("this system has no filters of system calls")
    assert soonest is not None
    assert soonest >= THRESHOLD


def times_to_say(process):
    """How long it takes from the beginning of each block until it is said, with file and function."""
    begun, said, until = None, b"", time.monotonic() + TIMEOUT / 2
    while time.monotonic() < until:
        ready, _, _ = select.select([process.stdout, process.stderr], [], [], 1)
        now = time.monotonic()
        if process.stderr in ready:
            said += os.read(process.stderr.fileno(), 65536)
            if begun is not None and b"is blocked" in said and b"in block" in said:
                yield now - begun
                begun = None
        if process.stdout in ready:
            lines = os.read(process.stdout.fileno(), 65536).split()
            if not lines:
                return
            begun, said = float(lines[-1]), b""


WARNINGS = {
    "sleep_in_a_coroutine": ("is blocked for", "by task crawler (crawl), awaited by Task-1", "in fetch"),
    "catastrophic_regex": ("is blocked for", "by task registration (check_names)", "in takes"),
    "many_small_callbacks": ("callbacks in one turn of the event loop have taken",),
}


def test_each_example_of_a_warning_is_here():
    names = {path.stem for path in (ROOT / "examples" / "warnings").glob("*.py")}
    assert names >= set(WARNINGS)


@pytest.mark.parametrize("name", WARNINGS)
def test_an_example_gets_its_warning(name):
    """On a busy machine what nobody has looked at for a while counts no more: so it is tried again."""
    path = ROOT / "examples" / "warnings" / f"{name}.py"
    for _ in range(5):
        outcome = run_program([*command_for("ironloop"), path], IRONLOOP_BLOCKED="")
        assert outcome.returncode == 0, outcome.stderr
        assert outcome.stdout.strip()
        if all(what in outcome.stderr for what in WARNINGS[name]):
            break
    else:
        raise AssertionError(outcome.stderr)
    assert "on a processor" in outcome.stderr
    assert f'File "{path}", line ' in outcome.stderr or name == "many_small_callbacks"


@pytest.mark.parametrize("name", WARNINGS)
def test_an_example_of_a_warning_runs_on_stock_asyncio(name):
    outcome = run_program([*command_for("asyncio"), ROOT / "examples" / "warnings" / f"{name}.py"])
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.strip()
    assert outcome.stderr == ""
