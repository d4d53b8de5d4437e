"""A loop that is blocked: who did it is said while it lasts, and told when it is over.

Nothing here is timed: a program blocks its loop until the report is there, or for long, and what was said is
looked at.
"""

import signal
import subprocess
import sys
import textwrap

import pytest
from conftest import needs_ironloop
from programs import ROOT, TIMEOUT, clean_environment, run_program
from system_calls import REFUSED

pytestmark = needs_ironloop

PRELUDE = """
import asyncio, ctypes, logging, os, re, select, sys, threading, time
import ironloop

reports = []
ironloop.add_blocked_callback(reports.append)

# What is said comes to a pipe, so that a program can wait for it.
said, told = os.pipe()
real_stderr = os.dup(2)
os.dup2(told, 2)
text = ""

def is_said(what, seconds=0):
    "Whether it is among what was said by now, or within so many seconds."
    global text
    while select.select([said], [], [], seconds)[0]:
        text += os.read(said, 65536).decode()
        if what in text:
            break
    return what in text

def ended():
    os.dup2(real_stderr, 2)
    print("done")
"""

# How a program blocks until the report has come, each marked with the line that has to be named.
SITUATIONS = {
    "sleeping in C": """
        def block():
            while not is_said("in block"):
                time.sleep(0.3)  # HERE
    """,
    "spinning in Python": """
        def block():
            end = time.monotonic() + 100
            while True:
                number = 0
                while number < 3_000_000: number += 1  # HERE
                if is_said("in block") or time.monotonic() > end:
                    break
    """,
    "in C with the lock": """
        def block():
            # As long as it takes to be seen, on a machine of any speed.
            for length in range(20, 40):
                re.match(r"(a+)+$", "a" * length + "b")  # HERE
                if is_said("in block"):
                    break
    """,
}


@pytest.fixture
def program(tmp_path):
    """Runs a program on ironloop, and returns its text; it has to end well, and to print "done" last."""

    def run(source, *switches, **variables):
        path = tmp_path / "program.py"
        path.write_text(PRELUDE + textwrap.dedent(source))
        variables.setdefault("IRONLOOP_BLOCKED", "0.1")
        done = run_program([sys.executable, *switches, path], **variables)
        if done.returncode == 77:
            pytest.skip("this system has no filters of system calls")
        assert (done.stdout.splitlines()[-1:], done.returncode) == (["done"], 0), done.stdout + done.stderr
        return done

    return run


def line_of(source):
    lines = (PRELUDE + textwrap.dedent(source)).splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith("# HERE"))


CHECK = """
        async def worker():
            block()
        async def main():
            await asyncio.create_task(worker(), name="the worker")
            while not reports:
                await asyncio.sleep(0.001)
        ironloop.run(main())
        report = reports[0]
        places = [(place.lineno, place.name) for place in report.stack]
        assert places[0][1] == "worker" and (LINE, "block") in places, places
        assert all(place.filename == __file__ for place in report.stack[:2]), report.stack
        assert report.task == "the worker" and report.coroutine == "worker", report.text
        assert report.awaiters == ["Task-1"], report.awaiters
        assert report.duration >= 0.1 and report.callbacks == 1
        assert 0 <= report.cpu < report.duration + 0.05 and report.collecting == 0, report.text
        assert f'File "{__file__}", line {LINE}, in block' in text, text
        assert "by task the worker (worker), awaited by Task-1" in text, text
        ended()
"""


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_line_is_named_while_it_lasts(program, situation):
    """The block ends only when the report has been read."""
    source = textwrap.dedent(SITUATIONS[situation])
    program(f"LINE = {line_of(source) + 1}\n{source}{textwrap.dedent(CHECK)}")


@pytest.mark.parametrize("refusal", [1, 38], ids=["EPERM", "ENOSYS"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_same_where_the_system_call_is_refused(program, situation, refusal):
    begin = f"REFUSAL = {refusal}\n{REFUSED}"
    source = textwrap.dedent(SITUATIONS[situation])
    both = f"{begin}{source}"
    program(f"{begin}LINE = {line_of(both) + 1}\n{source}{textwrap.dedent(CHECK)}")


def test_a_block_that_goes_on_is_said_again_at_ten_times_the_threshold(program):
    program(
        """
        async def main():
            while not is_said("is still blocked"):
                time.sleep(0.01)
        ironloop.run(main())
        assert [report.task for report in reports] == ["Task-1"]
        ended()
        """,
        IRONLOOP_BLOCKED="0.03",
    )


def test_many_callbacks_in_one_turn_are_another_warning(program):
    program("""
        async def main():
            loop, enough = asyncio.get_running_loop(), []
            def small():
                time.sleep(0.001)
            while not is_said("callbacks in one turn"):
                for _ in range(500):
                    loop.call_soon(small)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            while not reports:
                await asyncio.sleep(0.001)
            report = next(report for report in reports if report.callbacks > 1)
            assert report.callbacks > 10 and "callbacks in one turn" in report.text
        ironloop.run(main())
        ended()
    """)


def test_a_thread_that_keeps_the_lock_is_named(program):
    program("""
        def culprit():
            for length in range(24, 40):
                re.match(r"(a+)+$", "a" * length + "b")
                if is_said("culprit"):
                    break
        async def main():
            work = asyncio.create_task(asyncio.to_thread(culprit))
            while not work.done():
                await asyncio.sleep(0.001)
        ironloop.run(main())
        ended()
    """)


def test_the_collectors_share(program):
    program("""
        import gc
        class Node:
            def __init__(self):
                self.me = self
        async def main():
            keep = [Node() for _ in range(300_000)]
            while not is_said("in the garbage collector"):
                gc.collect()
                reports.clear()
                for _ in range(20):
                    gc.collect()
        ironloop.run(main())
        ended()
    """)


def test_what_ends_the_program_leaves_the_run(program):
    program("""
        @ironloop.add_blocked_callback
        def leaves(report):
            ironloop.remove_blocked_callback(leaves)
            raise SystemExit(3)
        async def main():
            while not is_said("is blocked"):
                time.sleep(0.2)
            await asyncio.sleep(100)
        try:
            ironloop.run(main())
        except SystemExit as error:
            assert error.code == 3
        else:
            raise AssertionError("it went on")
        assert len(reports) >= 1
        ended()
    """)


def test_a_full_screen_program_s_terminal_gets_nothing(program):
    program("""
        import pty, tty
        ours, terminal = pty.openpty()
        tty.setraw(terminal)
        os.dup2(terminal, 2)
        async def main():
            time.sleep(0.5)
            while not reports:
                await asyncio.sleep(0.001)
        ironloop.run(main())
        assert not select.select([ours], [], [], 0)[0]
        ended()
    """)


def test_the_logger_and_the_callbacks(program):
    program("""
        logging.basicConfig(stream=sys.stdout, level=logging.DEBUG)
        records, errors, early = [], [], []
        class Keep(logging.Handler):
            def emit(self, record):
                records.append(record)
        logging.getLogger("ironloop.blocked").addHandler(Keep())
        @ironloop.add_blocked_callback
        def fails(report):
            raise ValueError("mine")
        def gone(report):
            raise AssertionError("was taken back")
        assert ironloop.add_blocked_callback(gone) is gone
        assert ironloop.remove_blocked_callback(gone) == 1
        assert ironloop.remove_blocked_callback(gone) == 0
        async def main():
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda loop, context: errors.append(context["exception"]))
            while not is_said("is blocked"):
                time.sleep(0.2)
            early.extend(reports)
            while not errors:
                await asyncio.sleep(0.001)
            assert reports[0].loop is loop
        ironloop.run(main())
        assert early == [], "the loop's own thread tells"
        assert isinstance(errors[0], ValueError)
        assert records[0].levelname == "WARNING" and records[0].blocked is reports[0]
        assert records[0].getMessage() == reports[0].text
        assert "the event loop was blocked" in reports[0].text and "in main" in reports[0].text
        assert "main" in "".join(reports[0].stack.format())
        ended()
    """)


def test_what_ends_with_the_run_is_told(program):
    program("""
        async def main():
            while not is_said("is blocked"):
                time.sleep(0.2)
        ironloop.run(main())
        assert [report.task for report in reports] == ["Task-1"]
        ended()
    """)


@pytest.mark.parametrize("value", ["0", "off"])
def test_switched_off(program, value):
    program(
        """
        async def main():
            time.sleep(0.5)
            await asyncio.sleep(0.05)
        ironloop.run(main())
        assert not is_said("ironloop") and not reports
        assert len(os.listdir("/proc/self/task")) == 1
        ended()
        """,
        IRONLOOP_BLOCKED=value,
    )


def test_a_loop_that_sleeps_or_works_in_small_steps_is_not_blocked(program):
    program(
        """
        async def main():
            await asyncio.sleep(1.5)
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                await asyncio.sleep(0)
        ironloop.run(main())
        # A machine that stands still may hold anything up.
        assert all("main" not in report.text or report.cpu < 0.2 for report in reports), text
        ended()
        """,
        IRONLOOP_BLOCKED="0.5",
    )


def test_it_sees_again_what_comes_after_a_long_sleep(program):
    """Meanwhile the thread rests."""
    program("""
        async def main():
            await asyncio.sleep(3)
            while not is_said("is blocked"):
                time.sleep(0.2)
        ironloop.run(main())
        ended()
    """)


FORKS = """
        import warnings
        warnings.simplefilter("error")
        def block_until_said():
            while not is_said("is blocked"):
                time.sleep(0.2)
        async def blocks():
            await asyncio.sleep(0.01)
            block_until_said()
"""


def test_forks_warn_of_no_threads_and_both_sides_are_watched(program):
    program(
        FORKS
        + """
        async def main():
            for _ in range(20):
                pid = os.fork()
                if pid == 0:
                    os._exit(0)
                os.waitpid(pid, 0)
                await asyncio.sleep(0.001)
            pid = os.fork()
            if pid == 0:
                asyncio._set_running_loop(None)
                ironloop.run(blocks())
                os._exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
            is_said("never")
            globals()["text"] = ""
            await blocks()
        ironloop.run(main())
        ended()
        """
    )


def test_a_fork_that_python_does_not_know_of(program):
    program(
        FORKS
        + """
        async def main():
            await asyncio.sleep(0.01)
            pid = ctypes.CDLL(None).fork()
            if pid == 0:
                os._exit(5)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
            await blocks()
        ironloop.run(main())
        ended()
        """
    )


@pytest.mark.parametrize(
    "end",
    [
        "os._exit(0)",
        "os.execv(sys.executable, [sys.executable, '-c', 'print(\"done\")'])",
        "sys.exit(0)",
        "os.kill(os.getpid(), 15)",
        "return",
    ],
)
def test_the_process_ends_while_it_is_watched(tmp_path, end):
    """Again and again, with a short threshold: there is always something to be said."""
    path = tmp_path / "program.py"
    path.write_text(
        textwrap.dedent(f"""
        import asyncio, ironloop, os, sys, time, threading
        async def main():
            for _ in range(3):
                time.sleep(0.005)
                await asyncio.sleep(0)
            time.sleep(0.004)
            {end}
        def run():
            ironloop.run(main())
        def forever():
            async def forever():
                while True:
                    time.sleep(0.003)
                    await asyncio.sleep(0)
            ironloop.run(forever())
        threading.Thread(target=forever, daemon=True).start()
        run()
        """)
    )
    expected = -signal.SIGTERM if "kill" in end else 0
    for _ in range(10):
        done = run_program([sys.executable, "-X", "dev", path], IRONLOOP_BLOCKED="0.001")
        assert done.returncode == expected, done.stderr
        wrong = [line for line in done.stderr.splitlines() if "Fatal" in line or "Warning" in line]
        assert wrong == []


def test_standard_error_that_nobody_reads_holds_nothing_up(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(
        textwrap.dedent("""
        import asyncio, fcntl, ironloop, os, time
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        try:
            while True:
                os.write(writing, bytes(65536))
        except BlockingIOError:
            os.set_blocking(writing, True)
        os.dup2(writing, 2)
        async def main():
            for _ in range(5):
                time.sleep(0.05)
                await asyncio.sleep(0)
                if os.fork() == 0:
                    os._exit(0)
        ironloop.run(main())
        print("done")
        """)
    )
    done = subprocess.run(
        [sys.executable, path],
        cwd=ROOT,
        env=clean_environment(IRONLOOP_BLOCKED="0.01"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def test_a_debugger_is_no_block(program):
    program(
        """
        import pdb
        debugger = pdb.Pdb(stdin=open("/dev/null"), stdout=open("/dev/null", "w"))
        class Slow(pdb.Pdb):
            def interaction(self, *arguments, **keywords):
                time.sleep(0.3)
        async def main():
            debugger = Slow()
            debugger.runcall(lambda: None)
            await asyncio.sleep(0.05)
        ironloop.run(main())
        assert not is_said("File") and not reports, text
        ended()
        """,
        IRONLOOP_BLOCKED="0.05",
    )


def test_signals_still_interrupt_the_main_thread(program):
    program("""
        import signal
        async def main():
            def handler(*_):
                raise InterruptedError
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            try:
                time.sleep(100)
            except InterruptedError:
                return
            raise AssertionError("nothing came")
        ironloop.run(main())
        ended()
    """)
