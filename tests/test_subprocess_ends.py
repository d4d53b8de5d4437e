"""Child processes: how they are signalled, how their exit is seen, by whomever, and what outlives it."""

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from children import SLEEP, Noting, is_gone, shell, sleeper
from support import PATIENCE, open_descriptors, until


@pytest.mark.parametrize("code", [0, 1, 77, 255])
def test_exit_codes(run, code):
    async def main():
        process = await asyncio.create_subprocess_shell(f"exit {code}")
        assert await process.wait() == code
        assert process.returncode == code
        assert await process.wait() == code

    run(main)


@pytest.mark.parametrize(
    ("end", "number"),
    [
        (lambda process: process.kill(), signal.SIGKILL),
        (lambda process: process.terminate(), signal.SIGTERM),
        (lambda process: process.send_signal(signal.SIGUSR1), signal.SIGUSR1),
        (lambda process: os.kill(process.pid, signal.SIGUSR2), signal.SIGUSR2),
    ],
    ids=["kill", "terminate", "send_signal", "from outside"],
)
def test_signals(run, end, number):
    async def main():
        async with sleeper() as process:
            assert process.returncode is None
            end(process)
            assert await process.wait() == -number
            assert is_gone(process.pid)

    run(main)


def test_signals_to_a_child_that_has_exited_do_no_harm(run):
    """ProcessLookupError, or nothing: that depends on Python's version."""

    async def main():
        process = await asyncio.create_subprocess_exec("true")
        await process.wait()
        for end in (process.kill, process.terminate, lambda: process.send_signal(signal.SIGTERM)):
            with contextlib.suppress(ProcessLookupError):
                assert end() is None

    run(main)


def test_wait_can_be_cancelled(run):
    async def main():
        async with sleeper() as process:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.01)
            others = [asyncio.create_task(process.wait()) for _ in range(3)]
            await asyncio.sleep(0)
            others[0].cancel()
            process.kill()
            assert await asyncio.gather(*others[1:]) == [-signal.SIGKILL] * 2
            assert others[0].cancelled()

    run(main)


def test_communicate_can_be_cancelled(run):
    async def main():
        async with sleeper() as process:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.communicate(), 0.01)
            process.kill()
            assert await process.communicate() == (b"", None)
            assert process.returncode == -signal.SIGKILL

    run(main)


def test_a_grandchild_may_hold_the_pipe_longer(run):
    """The exit is seen at once; the end of the output only when everyone has let go of it."""

    async def main():
        process = await asyncio.create_subprocess_shell(
            "exec 3<&0; (read line <&3; echo $line) & echo started", stdin=PIPE, stdout=PIPE
        )
        assert await process.stdout.readline() == b"started\n"
        assert await until(lambda: process.returncode is not None) is None
        assert process.returncode == 0
        process.stdin.write(b"still there\n")
        assert await process.stdout.read() == b"still there\n"
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0

    run(main)


def test_a_child_may_outlive_its_pipe(run):
    async def main():
        process = await asyncio.create_subprocess_shell(
            "exec >&-; echo closed >&2; read line; exit 5", stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert await process.stdout.read() == b""
        assert await process.stderr.readline() == b"closed\n"
        assert process.returncode is None
        process.stdin.write(b"\n")
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 5

    run(main)


def test_close_kills_the_child(run):
    async def main():
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(Noting, *SLEEP)
        await until(lambda: protocol.data[1])
        assert not transport.is_closing()
        transport.close()
        transport.close()
        assert transport.is_closing()
        assert await asyncio.wait_for(protocol.lost, PATIENCE) is None
        assert transport.get_returncode() == -signal.SIGKILL
        assert is_gone(transport.get_pid())

    run(main)


def test_a_cancelled_start_leaves_no_child(run, tmp_path):
    """Whenever the cancel comes, the child is killed and reaped."""

    async def main():
        for turns in range(6):
            starting = asyncio.create_task(
                asyncio.create_subprocess_exec("sleep", "3600", stdin=PIPE, stdout=PIPE)
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                process = await starting
                process.kill()
                await process.communicate()
        await until(lambda: children() <= others)

    def children():
        return set(Path(f"/proc/self/task/{threading.main_thread().native_id}/children").read_text().split())

    others, before = children(), open_descriptors()
    run(main)
    assert open_descriptors() == before


@pytest.mark.filterwarnings("ignore:subprocess .* is still running")
def test_an_unclosed_transport_warns_when_it_goes_and_kills_the_child(loop_factory, loop_name):
    if loop_name == "asyncio" and sys.version_info < (3, 12):
        pytest.skip("a thread of asyncio's waits for the child, and keeps the transport, before Python 3.12")
    loop = loop_factory()
    no_pipes = {"stdin": None, "stdout": None, "stderr": None}
    transport, _ = loop.run_until_complete(
        loop.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "3600", **no_pipes)
    )
    pid = transport.get_pid()
    with pytest.warns(ResourceWarning, match=f"unclosed transport .*pid={pid} running"):
        del transport
        loop.close()
        del loop
        gc.collect()
    with contextlib.suppress(ChildProcessError):
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


# Other children, other handlers


def test_children_of_others_are_not_reaped(run):
    async def main():
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], os.environ)
        with subprocess.Popen(["/bin/sh", "-c", "exit 8"]) as popen:
            for _ in range(5):
                assert await shell("exit 9") == (None, None, 9)
            # Both have exited, and wait for whoever started them.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
            await shell("true")
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
            assert popen.wait() == 8

    run(main)


def test_a_child_that_somebody_else_has_reaped(run):
    """There may be no exit code to be had any more: then asyncio says 255, and the wait ends."""

    async def main():
        async with sleeper() as process:
            os.kill(process.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # where asyncio has a thread that waits for it too
                os.waitpid(process.pid, 0)
            assert await asyncio.wait_for(process.wait(), PATIENCE) in (255, -signal.SIGKILL)

    run(main)


def test_a_sigchld_handler_of_the_signal_module_is_called(run):
    got = []
    before = signal.signal(signal.SIGCHLD, lambda *arguments: got.append("signal"))
    try:

        async def main():
            assert await shell("exit 3") == (None, None, 3)
            await until(lambda: got)

        run(main)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_sigchld_handler_of_the_loop_is_called(run):
    async def main():
        loop = asyncio.get_running_loop()
        got = []
        loop.add_signal_handler(signal.SIGCHLD, got.append, "signal")
        assert await shell("exit 3") == (None, None, 3)
        await until(lambda: got)
        assert loop.remove_signal_handler(signal.SIGCHLD)
        assert await shell("exit 4") == (None, None, 4)

    run(main)


def test_sigchld_is_left_alone(run):
    async def main():
        assert await shell("exit 3") == (None, None, 3)
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL

    run(main)
