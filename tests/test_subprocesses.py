"""Child processes: how they are started and talked to, what their protocol sees, and many of them."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT

import pytest
from children import Noting, execute, is_gone, shell, sleeper
from support import PATIENCE, open_descriptors


def test_exec(run):
    async def main():
        assert await execute("echo", "a  b", stdout=PIPE) == (b"a  b\n", None, 0)
        assert await execute(b"echo", b"bytes", stdout=PIPE) == (b"bytes\n", None, 0)

    run(main)


def test_shell(run):
    async def main():
        assert await shell("echo $((6 * 7)) && exit 3", stdout=PIPE) == (b"42\n", None, 3)
        assert await shell(b"echo bytes", stdout=PIPE) == (b"bytes\n", None, 0)

    run(main)


def test_output_and_errors_each_have_their_pipe(run):
    async def main():
        both = "echo output; echo errors >&2"
        assert await shell(both, stdout=PIPE, stderr=PIPE) == (b"output\n", b"errors\n", 0)
        assert await shell(both, stdout=PIPE, stderr=STDOUT) == (b"output\nerrors\n", None, 0)
        assert await shell(both, stdout=DEVNULL, stderr=PIPE) == (None, b"errors\n", 0)
        assert await shell(both, stdout=PIPE, stderr=DEVNULL) == (b"output\n", None, 0)

    run(main)


def test_files_for_all_three(run, tmp_path):
    (tmp_path / "in").write_text("from the file\n")

    async def main():
        with (
            open(tmp_path / "in") as stdin,
            open(tmp_path / "out", "w") as stdout,
            open(tmp_path / "err", "w") as stderr,
        ):
            options = {"stdin": stdin, "stdout": stdout, "stderr": stderr.fileno()}
            assert await shell("cat; echo errors >&2", **options) == (None, None, 0)
        assert (tmp_path / "out").read_text() == "from the file\n"
        assert (tmp_path / "err").read_text() == "errors\n"

    run(main)


def test_without_a_pipe_there_is_no_stream(run):
    async def main():
        process = await asyncio.create_subprocess_exec("true", stdin=DEVNULL)
        assert (process.stdin, process.stdout, process.stderr) == (None, None, None)
        assert await process.wait() == 0
        process = await asyncio.create_subprocess_exec("cat", stdin=DEVNULL, stdout=PIPE)
        assert await process.communicate() == (b"", None)

    run(main)


def test_a_large_input_comes_back(run):
    data = bytes(range(256)) * 10_000

    async def main():
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        assert await asyncio.wait_for(process.communicate(data), PATIENCE) == (data, None)
        assert process.returncode == 0

    run(main)


def test_a_conversation_line_by_line(run):
    async def main():
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        for number in range(100):
            line = f"line {number}\n".encode()
            process.stdin.write(line)
            await process.stdin.drain()
            assert await process.stdout.readline() == line
        process.stdin.close()
        await process.stdin.wait_closed()
        assert await process.stdout.read() == b""
        assert await process.wait() == 0

    run(main)


def test_a_child_that_does_not_read_its_input(run):
    async def main():
        process = await asyncio.create_subprocess_exec("true", stdin=PIPE)
        assert await asyncio.wait_for(process.communicate(bytes(1_000_000)), PATIENCE) == (None, None)
        assert process.returncode == 0

    run(main)


def test_the_child_can_open_its_standard_input(run, loop_name):
    if loop_name == "asyncio" and sys.version_info < (3, 12):
        pytest.skip("asyncio gave the child a socket before Python 3.12, which cannot be opened")

    async def main():
        process = await asyncio.create_subprocess_exec(
            "cat", "/dev/stdin", stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert await asyncio.wait_for(process.communicate(b"input"), PATIENCE) == (b"input", b"")

    run(main)


def test_what_popen_takes(run, tmp_path):
    async def main():
        reading, writing = os.pipe()
        with open(reading, "rb") as output, open(writing, "wb") as inherited:
            assert await execute("pwd", stdout=PIPE, cwd=tmp_path) == (f"{tmp_path}\n".encode(), None, 0)
            assert (await execute("/usr/bin/env", stdout=PIPE, env={"A": "b"}))[0] == b"A=b\n"
            await shell(f"echo passed >/dev/fd/{writing}", pass_fds=[writing])
            inherited.close()
            assert output.read() == b"passed\n"
        assert (await shell("umask", stdout=PIPE, umask=0o77))[0].strip() == b"0077"
        assert (await execute("anything", "-c", "echo $0", stdout=PIPE, executable="/bin/sh"))[
            0
        ] == b"anything\n"
        async with sleeper(start_new_session=True) as process:
            assert os.getsid(process.pid) == process.pid
        async with sleeper(process_group=0) as process:
            assert os.getpgid(process.pid) == process.pid
        async with sleeper(preexec_fn=lambda: os.nice(3)) as process:
            nicer = min(os.getpriority(os.PRIO_PROCESS, 0) + 3, 19)
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == nicer
        async with sleeper(close_fds=False, restore_signals=False) as process:
            assert process.returncode is None

    run(main)


def test_what_popen_takes_and_asyncio_does_not(run):
    async def main():
        for options, message in (
            ({"universal_newlines": True}, "universal_newlines must be False"),
            ({"text": True}, "text must be False"),
            ({"encoding": "utf-8"}, "encoding must be None"),
            ({"errors": "strict"}, "errors must be None"),
            ({"bufsize": 1}, "bufsize must be 0"),
            ({"shell": True}, "shell must be False"),
        ):
            with pytest.raises(ValueError, match=message):
                await asyncio.create_subprocess_exec("true", **options)
        with pytest.raises(ValueError, match="shell must be True"):
            await asyncio.create_subprocess_shell("true", shell=False)
        with pytest.raises(ValueError, match="cmd must be a string"):
            await asyncio.get_running_loop().subprocess_shell(asyncio.SubprocessProtocol, ["true"])
        with pytest.raises(TypeError):
            await asyncio.create_subprocess_exec("true", no_such_keyword=1)

    run(main)


def test_a_child_that_cannot_start(run, tmp_path):
    pipes = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}

    async def main():
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            await execute("no-such-program", **pipes)
        with pytest.raises(PermissionError):
            await execute(tmp_path, **pipes)
        with pytest.raises(FileNotFoundError):
            await execute("true", cwd=tmp_path / "nowhere", **pipes)
        with pytest.raises(subprocess.SubprocessError):
            await execute("true", preexec_fn=lambda: 1 / 0, **pipes)
        assert await execute("true") == (None, None, 0)

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_a_storm_of_children(run):
    """All of them exit at once; none is missed."""
    count = 150

    async def main():
        reading, writing = os.pipe()
        processes = [
            await asyncio.create_subprocess_shell(f"read line; exit {number % 200}", stdin=reading)
            for number in range(count)
        ]
        os.close(reading)
        os.close(writing)
        codes = await asyncio.wait_for(asyncio.gather(*(process.wait() for process in processes)), PATIENCE)
        assert codes == [number % 200 for number in range(count)]
        assert all(is_gone(process.pid) for process in processes)

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_many_started_at_once(run):
    async def main():
        results = await asyncio.gather(*(shell(f"echo {number}", stdout=PIPE) for number in range(50)))
        assert results == [(f"{number}\n".encode(), None, 0) for number in range(50)]

    run(main)


# The transport and the protocol


def test_what_a_protocol_sees(run):
    async def main():
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(
            Noting, "/bin/sh", "-c", "cat; echo errors >&2; exit 4"
        )
        assert isinstance(transport, asyncio.SubprocessTransport)
        assert transport.get_protocol() is protocol
        assert isinstance(transport.get_extra_info("subprocess"), subprocess.Popen)
        assert transport.get_extra_info("subprocess").pid == transport.get_pid()
        stdin = transport.get_pipe_transport(0)
        assert isinstance(stdin, asyncio.WriteTransport)
        assert isinstance(transport.get_pipe_transport(1), asyncio.ReadTransport)
        assert transport.get_pipe_transport(7) is None
        assert transport.get_returncode() is None
        stdin.write(b"input")
        stdin.write_eof()
        assert await protocol.lost is None
        assert protocol.data == {1: b"input", 2: b"errors\n"}
        assert protocol.calls[0] == "made"
        assert sorted(protocol.calls[1:-1]) == ["exited", "lost 0", "lost 1", "lost 2"]
        assert protocol.calls[-1] == "lost"
        assert transport.get_returncode() == 4
        transport.close()

    run(main)


def test_in_another_thread_than_the_main_one(loop_factory):
    results = []

    async def main():
        results.append(await execute("cat", stdin=DEVNULL, stdout=PIPE))
        results.extend(await asyncio.gather(*(shell(f"exit {code}") for code in range(20))))

    def work():
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [(b"", None, 0), *((None, None, code) for code in range(20))]


def test_a_thousand_lines_beside_timers_and_sockets(run):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        ticking = asyncio.create_task(tick())
        output, _, code = await shell(
            "i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i + 1)); done", stdout=PIPE
        )
        ticking.cancel()
        assert output.split() == [str(number).encode() for number in range(1000)]
        assert code == 0
        assert ticks

    run(main)


def test_nothing_is_left_of_a_hundred_children(run):
    async def main():
        for _ in range(100):
            await shell("true", stdin=PIPE, stdout=PIPE, stderr=PIPE)

    before, threads = open_descriptors(), threading.active_count()
    run(main)
    assert open_descriptors() == before
    give_up = time.monotonic() + PATIENCE
    while threading.active_count() > threads:
        assert time.monotonic() < give_up
        time.sleep(0.001)
