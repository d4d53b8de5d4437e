"""Programs that destroy, resurrect, subclass, re-enter and raise at random leave the process alive.

`make sanitize` runs many more of them with AddressSanitizer. One that ended badly: `python -m rough_programs
ironloop SEED 1`, in this folder.
"""

import os
import sys
from pathlib import Path

import pytest
from programs import command_for, run_program

PROGRAMS = 40

# Other programs than those of every day.
SEED = int(os.environ.get("IRONLOOP_TEST_SEED", "0"))


def test_the_process_is_there_at_the_end(loop_name):
    command = [sys.executable, "-X", "dev", "-m", "rough_programs", loop_name, str(SEED), str(PROGRAMS)]
    done = run_program(command, cwd=Path(__file__).parent)
    if loop_name == "asyncio" and done.returncode < 0 and sys.version_info < (3, 12):
        pytest.skip("CPython 3.11 closes a coroutine that is being freed, and crashes now and then")
    assert (done.returncode, done.stdout) == (0, f"ran {PROGRAMS}\n"), done.stderr[-5000:]


def test_a_child_that_awaits_the_gather_it_is_in(loop_name, tmp_path):
    """To cancel it would go on for ever. (On a small stack asyncio does not notice before Python 3.14.)"""
    program = tmp_path / "program.py"
    program.write_text("""
import asyncio, sys, threading

async def main():
    gathering = []
    async def child():
        await gathering[0]
    task = asyncio.ensure_future(child())
    gathering.append(asyncio.gather(task))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    try:
        task.cancel()
    except RecursionError:
        print("too deep", flush=True)
    # Nobody can end it any more.
    task._log_destroy_pending = False

def run():
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()

if "small" in sys.argv:
    threading.stack_size(512 * 1024)
thread = threading.Thread(target=run)
thread.start()
thread.join()
""")
    sizes = ["", "small"] if loop_name == "ironloop" else [""]
    for size in sizes:
        done = run_program([*command_for(loop_name), program, size])
        assert (done.returncode, done.stdout) == (0, "too deep\n"), done.stderr[-2000:]
