"""Child processes, for tests."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE

from support import PATIENCE

SLEEP = (sys.executable, "-S", "-c", "import time; print('ready', flush=True); time.sleep(3600)")


async def execute(*command, **options):
    """A program of the system, to its end: (output, errors, exit code)."""
    process = await asyncio.create_subprocess_exec(*command, **options)
    output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    return output, errors, process.returncode


async def shell(command, **options):
    """A shell's command to its end: (output, errors, exit code)."""
    process = await asyncio.create_subprocess_shell(command, **options)
    output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    return output, errors, process.returncode


@contextlib.asynccontextmanager
async def sleeper(**options):
    """A child that would sleep for an hour, and has begun to; killed at the end if it still lives."""
    process = await asyncio.create_subprocess_exec(*SLEEP, stdout=PIPE, **options)
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.wait_for(process.communicate(), PATIENCE)


def is_gone(pid):
    """Whether there is no such child of ours, not even a zombie."""
    return not os.path.exists(f"/proc/{pid}")


class Noting(asyncio.SubprocessProtocol):
    def __init__(self):
        self.calls = []
        self.data = {1: bytearray(), 2: bytearray()}
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.calls.append("made")

    def pipe_data_received(self, fd, data):
        self.data[fd] += data

    def pipe_connection_lost(self, fd, exc):
        self.calls.append(f"lost {fd}")

    def process_exited(self):
        self.calls.append("exited")

    def connection_lost(self, exc):
        self.calls.append("lost")
        self.lost.set_result(exc)
