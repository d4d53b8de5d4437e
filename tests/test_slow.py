"""`python -m ironloop slow`: a program in slow motion, on a pipe and on a terminal."""

from __future__ import annotations

import re
import sys
import time

import pytest
from conftest import needs_ironloop
from programs import ROOT, run_program
from shown import Shown

pytestmark = needs_ironloop

SLOW = [sys.executable, "-m", "ironloop", "slow"]
RESTAURANT = ROOT / "examples" / "restaurant.py"


def titles(text: str) -> list[str]:
    return re.findall(r"^\[.* s, turn \d+\] \d+\. (.*)$", text, re.MULTILINE)


def test_the_restaurants_switches_in_their_order_on_a_pipe():
    done = run_program([*SLOW, RESTAURANT])
    assert (done.returncode, done.stderr) == (0, "")
    shown = titles(done.stdout)
    at_once = shown[next(n for n, text in enumerate(shown) if "3 tasks" in text) :]
    sleeps = r"RUNNING → SUSPENDED: Task-\d awaits sleep, 0\.\d\d s to go"
    expected = [r"RUNNING → SUSPENDED: Task-1 awaits 3 tasks: Task-2, Task-3, Task-4"]
    for task in (2, 3, 4):
        expected += [rf"READY → RUNNING: Task-{task} begins", sleeps]
    for task in (4, 3, 2):
        expected += [
            r"nothing is READY: the loop waits 0\.\d\d s for the first timer",
            rf"SUSPENDED → READY: Task-{task}",
            rf"READY → RUNNING: Task-{task} goes on",
            rf"""RUNNING → COMPLETED: Task-{task}, result "\w+'s bill\"""",
        ]
    expected += ["SUSPENDED → READY: Task-1", "READY → RUNNING: Task-1 goes on"]
    expected += ["RUNNING → COMPLETED: Task-1, result None"]
    matched = [
        re.fullmatch(pattern, text) is not None for pattern, text in zip(expected, at_once, strict=False)
    ]
    # On a slow machine a sleep may be over before the others have begun theirs: their order is the same.
    assert len(at_once) == len(expected) and all(matched), "\n".join(at_once)


def test_a_frame_has_the_states_with_reasons_lines_and_timers():
    text = run_program([*SLOW, RESTAURANT]).stdout
    frames = text.split("\n\n[")
    (frame,) = [frame for frame in frames if "READY → RUNNING: Task-3 begins" in frame]
    assert re.search(r"^  READY      Task-4  Waiter\.serve$", frame, re.MULTILINE), frame
    assert re.search(
        r"^  RUNNING    Task-3  Waiter\.serve .* restaurant\.py:\d+  async def", frame, re.MULTILINE
    )
    assert re.search(
        r"^  SUSPENDED  Task-1  main .* 3 tasks: Task-2, Task-3, Task-4 +restaurant", frame, re.MULTILINE
    )
    assert re.search(r"Task-2  Waiter\.serve  sleep, 0\.\d+ s to go .* await asyncio\.sleep", frame)
    assert re.search(r"^  TIMERS     0\.\d\d s  Task-2$", frame, re.MULTILINE)


def test_the_programs_clock_stands_still_while_a_frame_stands(tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        "import asyncio, time\n"
        "async def main():\n"
        "    begun = time.perf_counter(), asyncio.get_running_loop().time()\n"
        "    for _ in range(10): await asyncio.sleep(0)\n"
        "    print('took', time.perf_counter() - begun[0], asyncio.get_running_loop().time() - begun[1])\n"
        "asyncio.run(main())\n"
    )
    begun = time.monotonic()
    done = run_program([*SLOW, "--pause", "0.1", program])
    took = [float(word) for word in re.search("took (.*)", done.stdout)[1].split()]
    assert time.monotonic() - begun > 2
    assert all(seconds < 0.5 for seconds in took)
    assert titles(done.stdout).count("RUNNING → READY: Task-1 lets the others go first") == 10


def test_after_so_many_steps_it_runs_on_without_frames():
    done = run_program([*SLOW, "--steps", "3", RESTAURANT])
    assert done.returncode == 0 and len(titles(done.stdout)) == 3
    assert "In turn the waits add up" in done.stdout


def test_how_a_task_ends_and_what_it_awaits_is_said(tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        "import asyncio, time\n"
        "async def fails():\n    raise ValueError('no')\n"
        "async def main():\n"
        "    lock, queue = asyncio.Lock(), asyncio.Queue()\n"
        "    getter = asyncio.create_task(queue.get(), name='getter')\n"
        "    await asyncio.gather(asyncio.create_task(fails(), name='fails'), return_exceptions=True)\n"
        "    getter.cancel()\n"
        "    await asyncio.wait([getter])\n"
        "    time.sleep(0.15)\n"
        "    asyncio.get_running_loop().call_soon(print, 'called')\n"
        "    await asyncio.sleep(0)\n"
        "asyncio.run(main())\n"
    )
    done = run_program([*SLOW, program])
    shown = "\n".join(titles(done.stdout))
    assert "RUNNING → SUSPENDED: getter awaits queue get" in shown
    assert "RUNNING → COMPLETED: fails, error ValueError('no')" in shown
    assert "RUNNING → COMPLETED: getter, cancelled" in shown
    assert re.search(r"Task-1 lets the others go first; it ran for 0\.\d+ s, and nobody else could", shown)
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize("words", [[], ["--nonsense", "app.py"], ["--pause", "soon", "app.py"], ["--steps"]])
def test_what_makes_no_sense_is_refused_with_the_usage(words):
    done = run_program([*SLOW, *words])
    assert done.returncode == 2 and "usage: python -m ironloop slow" in done.stderr


def test_on_a_terminal_a_key_brings_the_next_frame_and_the_output_stays():
    with Shown(*SLOW, "--keys", RESTAURANT) as shown:
        shown.until("1. READY → RUNNING: Task-1 begins")
        shown.press(" ")
        shown.until("2. RUNNING → SUSPENDED: Task-1 awaits sleep")
        assert "3. nothing is READY" not in shown.text
        shown.press("\n")
        shown.until("3. nothing is READY")
        shown.press("f")
        assert shown.end() == 0
        # Back on the terminal's own screen, and there is all that it has printed.
        after = shown.text.rpartition("\x1b[?1049l")[2]
        assert "window sits down" in after and "In turn the waits add up" in after


def test_on_a_terminal_q_ends_the_program():
    with Shown(*SLOW, "--keys", RESTAURANT) as shown:
        shown.until("1. READY")
        shown.press("q")
        assert shown.end() == 130
        assert "\x1b[?1049l" in shown.text and "Traceback" not in shown.text
