"""Pipes as transports, for tests."""

import asyncio
import contextlib
import os

from support import Recorder, until


async def read_pipe(file, factory=Recorder):
    _, protocol = await asyncio.get_running_loop().connect_read_pipe(factory, file)
    return protocol


async def write_pipe(file, factory=Recorder):
    _, protocol = await asyncio.get_running_loop().connect_write_pipe(factory, file)
    return protocol


async def read_all(descriptor, size):
    """What arrives at a descriptor, until there are ``size`` bytes; never blocks the loop."""
    os.set_blocking(descriptor, False)
    data = bytearray()

    def read_some():
        with contextlib.suppress(BlockingIOError):
            data.extend(os.read(descriptor, 1_000_000))
        return len(data) >= size

    await until(read_some)
    return bytes(data)
