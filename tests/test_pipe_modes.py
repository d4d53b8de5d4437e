"""A pipe transport needs a pipe that does not block; whoever shares the pipe gets back what it was.

asyncio and uvloop leave it non-blocking, and with it the terminal of the shell that started the program, and
the standard output of its other processes (asyncssh#629): so these tests are for ironloop alone.
"""

import asyncio
import contextlib
import gc
import os
import pty
import sys

import pytest
from conftest import needs_ironloop
from programs import command_for, run_program
from support import PATIENCE, Recorder

pytestmark = needs_ironloop


@pytest.fixture
def run():
    import ironloop

    def run_on_fresh_loop(main):
        with asyncio.Runner(loop_factory=ironloop.new_event_loop) as runner:
            return runner.run(main())

    return run_on_fresh_loop


@pytest.fixture
def pipe():
    """A pipe's two ends as files, and second descriptors of both: (reading, writing, their copies)."""
    reading, writing = os.pipe()
    copies = os.dup(reading), os.dup(writing)
    with open(reading, "rb", 0) as reading_file, open(writing, "wb", 0) as writing_file:
        yield reading_file, writing_file, *copies
    for copy in copies:
        os.close(copy)


async def read_pipe(file):
    _, protocol = await asyncio.get_running_loop().connect_read_pipe(Recorder, file)
    return protocol


async def write_pipe(file):
    _, protocol = await asyncio.get_running_loop().connect_write_pipe(Recorder, file)
    return protocol


def test_the_end_of_a_transport_makes_a_pipe_what_it_was(run, pipe):
    reading_file, writing_file, reading, writing = pipe

    async def main():
        reader, writer = await read_pipe(reading_file), await write_pipe(writing_file)
        assert not os.get_blocking(reading) and not os.get_blocking(writing)
        writer.transport.write(b"data")
        assert await reader.received(4) == b"data"
        writer.transport.close()
        await writer.lost
        assert os.get_blocking(writing)
        # The other end is another open file.
        assert not os.get_blocking(reading)
        reader.transport.close()
        await reader.lost
        assert os.get_blocking(reading)

    run(main)


def test_it_blocks_again_when_the_protocol_is_told(run, pipe):
    _, writing_file, _, writing = pipe

    class Printing(Recorder):
        def connection_lost(self, error):
            self.blocking = os.get_blocking(writing)
            super().connection_lost(error)

    async def main():
        _, writer = await asyncio.get_running_loop().connect_write_pipe(Printing, writing_file)
        writer.transport.abort()
        await writer.lost
        assert writer.blocking

    run(main)


def test_a_pipe_that_did_not_block_stays_so(run, pipe):
    reading_file, _, reading, _ = pipe
    os.set_blocking(reading, False)

    async def main():
        reader = await read_pipe(reading_file)
        reader.transport.close()
        await reader.lost

    run(main)
    assert not os.get_blocking(reading)


def test_the_end_of_the_loop_makes_it_what_it_was(run, pipe):
    reading_file, writing_file, reading, writing = pipe

    async def main():
        return await read_pipe(reading_file), await write_pipe(writing_file)

    ends = run(main)
    assert os.get_blocking(reading) and os.get_blocking(writing)
    for end in ends:
        end.transport.close()
    assert reading_file.closed and writing_file.closed


def test_a_transport_that_is_collected_makes_it_what_it_was(run, pipe):
    reading_file, _, reading, _ = pipe

    async def main():
        reader = await read_pipe(reading_file)
        reader.transport.pause_reading()
        with pytest.warns(ResourceWarning, match="unclosed transport"):
            reader.made = reader.transport = None
            gc.collect()
        assert os.get_blocking(reading)

    run(main)


@pytest.mark.parametrize("first", [0, 1])
def test_two_transports_on_one_terminal(run, first):
    """Standard input and output, say: the first to end must not make the other one block the loop."""
    master, slave = pty.openpty()
    files = [open(os.dup(slave), "rb", 0), open(os.dup(slave), "wb", 0)]

    async def main():
        ends = [await read_pipe(files[0]), await write_pipe(files[1])]
        for end in (ends[first], ends[1 - first]):
            assert not os.get_blocking(slave)
            end.transport.close()
            await end.lost
        assert os.get_blocking(slave)

    run(main)
    os.close(slave)
    os.close(master)


def test_two_open_files_of_one_terminal(run):
    master, slave = pty.openpty()
    again = os.open(os.ttyname(slave), os.O_RDWR | os.O_NOCTTY)

    async def main():
        one = await read_pipe(open(os.dup(slave), "rb", 0))
        other = await read_pipe(open(os.dup(again), "rb", 0))
        one.transport.close()
        await one.lost
        assert os.get_blocking(slave) and not os.get_blocking(again)
        other.transport.close()
        await other.lost
        assert os.get_blocking(again)

    run(main)
    for descriptor in (again, slave, master):
        os.close(descriptor)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_leaves_it_to_the_parent(run, pipe):
    reading_file, _, reading, _ = pipe
    import ironloop

    loop = ironloop.new_event_loop()
    reader = loop.run_until_complete(read_pipe(reading_file))
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            loop.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert not os.get_blocking(reading)
    reader.transport.close()
    loop.run_until_complete(asyncio.wait_for(reader.lost, PATIENCE))
    loop.close()
    assert os.get_blocking(reading)


def test_a_pipe_that_is_closed_behind_the_transport(run, pipe):
    reading_file, _, reading, _ = pipe

    async def main():
        reader = await read_pipe(reading_file)
        reader.transport.pause_reading()
        reading_file.close()
        reader.transport.close()
        await reader.lost

    run(main)
    assert not os.get_blocking(reading)


def test_what_is_no_pipe_is_left_alone(run, tmp_path):
    async def main():
        with open(tmp_path / "file", "wb", 0) as file:
            with pytest.raises(ValueError, match="pipes"):
                await write_pipe(file)
            assert os.get_blocking(file.fileno())
        with pytest.raises(ValueError, match="closed"):
            await write_pipe(file)

    run(main)


UNCLOSED = """
import asyncio, os, sys
async def main():
    await asyncio.get_running_loop().connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    if sys.argv[1:] == ["exit"]:
        keep.append(asyncio.get_running_loop())
keep = []
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
if not sys.argv[1:]:
    loop.close()
"""


@pytest.mark.parametrize("how", [[], ["exit"]], ids=["the loop is closed", "the process ends"])
def test_standard_output_after_the_program(tmp_path, how):
    program = tmp_path / "program.py"
    program.write_text(UNCLOSED)
    watcher = (
        "import os, subprocess, sys\n"
        "before = os.get_blocking(1)\n"
        "subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)\n"
        "print(before, os.get_blocking(1))"
    )
    done = run_program([sys.executable, "-c", watcher, *command_for("ironloop"), program, *how])
    assert done.stdout == "True True\n", done.stderr
