"""A disk that takes 20 ms for every read: how late the loop is meanwhile, and until when all is read.

`tests/slow_disk.c` is preloaded into a process of its own, in which nothing of that one file is cached.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

from harness import loops
from harness.native import TARGET
from harness.workload import Figure, program

from workloads.files import folder, opener

SOURCE = Path(__file__).resolve().parent.parent.parent / "tests" / "slow_disk.c"
MILLISECONDS = "20"
READERS = 64

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from workloads import slow_disk
slow_disk.main(sys.argv[2])
"""


@program("files/slow-disk/aiofiles", {"lag": Figure.TIME, "time": Figure.TIME}, count=3)
def slow_disk(loop: str, count: int) -> dict[str, float]:
    """The median over so many processes: of the worst lag of each, and of the time that 64 reads take."""
    TARGET.mkdir(parents=True, exist_ok=True)
    library = TARGET / "slow_disk.so"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    subprocess.run([*compiler, "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    with folder() as place:
        path = place / "file"
        path.write_bytes(bytes(4096 * READERS))
        variables = {"LD_PRELOAD": library, "SLOW_DISK": path, "SLOW_DISK_MILLISECONDS": MILLISECONDS}
        environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
        command = [sys.executable, "-c", PROGRAM, str(SOURCE.parent.parent / "benches"), loop]
        outputs = [subprocess.check_output(command, env=environment) for _ in range(count)]
    samples = [json.loads(output) for output in outputs]
    return {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}


def main(loop: str) -> None:
    values: dict[str, float] = {}
    loops.run(loop, measure(os.environ["SLOW_DISK"], values))
    print(json.dumps(values))


async def measure(path: str, values: dict[str, float]) -> None:
    opening = opener("aiofiles")

    async def read(n: int) -> None:
        async with opening(path, "rb") as file:
            await file.seek(n * 4096)
            await file.read(4096)

    started = time.perf_counter()
    reads = asyncio.gather(*map(read, range(READERS)))
    worst = 0.0
    while not reads.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - before - 0.001)
    await reads
    values.update(lag=worst, time=time.perf_counter() - started)
