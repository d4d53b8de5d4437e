"""connect_read_pipe and connect_write_pipe: terminals as transports."""

import asyncio
import os
import pty
import tty

import pytest
from pipe_ends import read_all, read_pipe, write_pipe
from support import PATIENCE, until


@pytest.fixture
def terminal():
    """A pseudo-terminal's two ends as files, in raw mode: (master, slave)."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    with open(master, "rb+", 0) as master_file, open(slave, "rb+", 0) as slave_file:
        yield master_file, slave_file


def test_a_terminal_read_and_written(run, terminal):
    master, slave = terminal

    async def main():
        reader = await read_pipe(open(os.dup(slave.fileno()), "rb", 0))
        writer = await write_pipe(open(os.dup(slave.fileno()), "wb", 0))
        os.write(master.fileno(), b"typed")
        assert await reader.received(5) == b"typed"
        writer.transport.write(b"shown")
        assert await read_all(master.fileno(), 5) == b"shown"
        writer.transport.write(bytes(200_000))
        assert await read_all(master.fileno(), 200_000) == bytes(200_000)
        for end in (reader, writer):
            end.transport.close()
            assert await end.lost is None

    run(main)


def test_one_descriptor_of_a_terminal_for_both_directions(run, terminal):
    """The writer must not take what is typed for its reader's going away."""
    master, slave = terminal

    async def main():
        reader = await read_pipe(slave)
        writer = await write_pipe(open(os.dup(slave.fileno()), "wb", 0))
        for number in range(10):
            line = str(number).encode() * 100
            os.write(master.fileno(), line)
            await until(lambda line=line: bytes(reader.data) == line)
            reader.data.clear()
            writer.transport.write(line)
            assert await read_all(master.fileno(), len(line)) == line
        assert writer.calls == ["made"]
        for end in (reader, writer):
            end.transport.close()
            await end.lost

    run(main)


def test_a_terminal_that_is_hung_up(run, terminal):
    """The other side's close is EIO to whoever reads the master: an end like others, not reported."""
    master, slave = terminal

    async def main():
        reader = await read_pipe(open(os.dup(master.fileno()), "rb", 0))
        os.write(slave.fileno(), b"last words")
        await reader.received(10)
        slave.close()
        assert isinstance(await asyncio.wait_for(reader.lost, PATIENCE), OSError)
        assert reader.data == b"last words"

    run(main)
