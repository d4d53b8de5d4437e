"""A disk that holds reads up holds up those who wait for it, and nothing else.

What is counted is what the loop does while no read can end; no clock is asked.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from programs import run_program

PROGRAM = """
import asyncio, os, sys
import ironloop
from ironloop import _ironloop, files
from ironloop.files import workers

loop_name, slow, quick = sys.argv[1:]
content = open(slow, "rb").read()
lines = content.decode().splitlines(keepends=True)

async def whole():
    return await files.read_bytes(slow) == content

async def opened():
    async with ironloop.open(slow, "rb") as file:
        return await file.read() == content

async def block():
    async with ironloop.open(slow, "rb") as file:
        return await file.read(4096) == content[:4096] and await file.tell() == 4096

async def unbuffered():
    async with ironloop.open(slow, "rb", 0) as file:
        return await file.read(4096) == content[:4096]

async def into():
    room = bytearray(300_000)
    async with ironloop.open(slow, "rb") as file:
        return await file.readinto(room) == len(content) and room.startswith(content)

async def line():
    async with ironloop.open(slow, "rb") as file:
        return await file.readline() == lines[0].encode()

async def text():
    async with ironloop.open(slow, encoding="utf-8") as file:
        return [line async for line in file] == lines

async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
    writer.close()

async def main():
    loop = asyncio.get_running_loop()
    told, tells = os.pipe()
    held, holds = os.pipe()
    os.environ.update(SLOW_DISK=slow, SLOW_DISK_PIPES=f"{tells} {held}")
    # Twice as many as there are threads for disks.
    kinds = [whole, opened, block, unbuffered, into, line, text]
    readers = [asyncio.ensure_future(kinds[n % len(kinds)]()) for n in range(2 * workers.MOST)]
    held_up = await asyncio.to_thread(lambda: sum(len(os.read(told, 1)) for _ in range(workers.MOST)))
    assert held_up == workers.MOST

    turns, timers = 0, 0
    async def turn():
        nonlocal turns
        for _ in range(1_000):
            await asyncio.sleep(0)
            turns += 1
    async def tick():
        nonlocal timers
        for _ in range(20):
            await asyncio.sleep(0.001)
            timers += 1
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    trips = 0
    async def ask():
        nonlocal trips
        for _ in range(100):
            writer.write(b"x")
            trips += len(await reader.readexactly(1))
    await asyncio.gather(turn(), tick(), ask())
    hops = [await asyncio.to_thread(lambda: "hop") for _ in range(20)]
    # A file that is in memory needs no thread, where the kernel tells.
    cached = None
    if _ironloop.read_file_now(quick) is not None:
        cached = await files.read_bytes(quick)
    done = sum(reader.done() for reader in readers)
    print(f"{turns} turns, {timers} timers, {trips} round trips, {len(hops)} hops, {done} reads")
    assert cached in (None, b"here")

    os.close(holds)
    assert all(await asyncio.gather(*readers))
    writer.close()
    server.close()
    print("all read")

(ironloop.run if loop_name == "ironloop" else asyncio.run)(main())
"""


@pytest.fixture(scope="module")
def slow_disk(tmp_path_factory):
    """The library to preload."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if shutil.which(compiler[0]) is None:
        pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("slow") / "slow_disk.so"
    source = Path(__file__).with_name("slow_disk.c")
    subprocess.run([*compiler, "-shared", "-fPIC", "-Wall", "-o", library, source, "-ldl"], check=True)
    return str(library)


def test_while_a_disk_holds_reads_up_the_loop_turns(loop_name, slow_disk, tmp_path):
    slow, quick = tmp_path / "slow", tmp_path / "quick"
    slow.write_text("".join(f"line {n} of a file that is not in memory\n" for n in range(5_000)))
    quick.write_text("here")
    command = [sys.executable, "-c", PROGRAM, loop_name, str(slow), str(quick)]
    preloaded = filter(None, [os.environ.get("LD_PRELOAD"), slow_disk])
    outcome = run_program(command, LD_PRELOAD=" ".join(preloaded))
    meanwhile = "1000 turns, 20 timers, 100 round trips, 20 hops, 0 reads"
    assert outcome.stdout.splitlines() == [meanwhile, "all read"], outcome.stderr
    assert outcome.returncode == 0, outcome.stderr
