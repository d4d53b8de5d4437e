"""Start-up: a whole process that imports a loop, runs an empty program on it, and ends."""

from __future__ import annotations

import os
import statistics
import sys
import time

from harness.loops import RECORDED, SUBJECT
from harness.workload import Figure, program

SOURCE = """
import asyncio
import {module}

async def main():
    pass

{run}
"""

# Each as `harness/loops.py` runs it.
RUNNER = "with asyncio.Runner(loop_factory={module}.new_event_loop) as runner: runner.run(main())"
OWN_RUN = "{module}.run(main())"


@program("startup/empty-program", {"wall": Figure.TIME, "cpu": Figure.TIME}, count=15)
def startup(loop: str, count: int) -> dict[str, float]:
    module, variables = loop, dict(os.environ)
    if loop == RECORDED:
        module, variables["IRONLOOP_WATCH"] = SUBJECT, "1"
    run = (OWN_RUN if module == SUBJECT else RUNNER).format(module=module)
    source = SOURCE.format(module=module, run=run)
    walls, cpus = [], []
    for _ in range(count + 1):
        started = time.perf_counter()
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", source], variables)
        _, status, usage = os.wait4(pid, 0)
        walls.append(time.perf_counter() - started)
        cpus.append(usage.ru_utime + usage.ru_stime)
        if status:
            raise RuntimeError(f"the program ended with exit code {os.waitstatus_to_exitcode(status)}")
    # The first one reads the files into the page cache.
    return {"wall": statistics.median(walls[1:]), "cpu": statistics.median(cpus[1:])}
