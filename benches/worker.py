"""One workload on one loop in this process: `python benches/worker.py LOOP WORKLOAD [COUNT] [--port PORT]`.

Prints one JSON line with the values; a server prints `LISTENING <port>` instead and ends with its stdin, a
client needs the port of a bare server. LOOP `bare` is the bare loop, which must be where Python looks for
modules.
`run.py` starts it; by hand it is good for a profiler.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import signal
import threading

import workloads  # noqa: F401  (importing registers them)
from harness import loops
from harness.loops import BARE
from harness.workload import REGISTRY, Asking, Measured, Program, Served, Stopwatch, Timed

ALARM = 600
"""Seconds after which the kernel ends this process, whatever the loop does and whoever started it."""


def run_timed(loop: str, workload: Timed, count: int) -> dict[str, float]:
    watch = Stopwatch()

    async def main() -> None:
        await workload.body(max(1, count // 10), Stopwatch())
        gc.collect()  # nobody pays for the warm-up's garbage; the collector stays on, as it is in programs
        await workload.body(count, watch)

    loops.run(loop, main())
    return workload.values(count, watch.seconds)


def run_bare(workload: Timed, count: int) -> dict[str, float]:
    assert workload.bare is not None
    watch = Stopwatch()
    workload.bare(max(1, count // 10), Stopwatch())
    gc.collect()
    workload.bare(count, watch)
    return workload.values(count, watch.seconds)


def run_asking(loop: str, workload: Asking, count: int, port: int) -> dict[str, float]:
    watch = Stopwatch()

    async def main() -> None:
        await workload.body(max(workload.connections, count // 10), Stopwatch(), workload.connections, port)
        gc.collect()
        await workload.body(count, watch, workload.connections, port)

    loops.run(loop, main())
    return workload.values(count, watch)


def run_measured(loop: str, workload: Measured, count: int) -> dict[str, float]:
    values = {}

    async def main() -> None:
        values.update(await workload.body(count))

    loops.run(loop, main())
    return values


def run_server(loop: str, workload: Served) -> None:
    def announce(port: int) -> None:
        print("LISTENING", port, flush=True)

    def end_with_stdin() -> None:
        while os.read(0, 1024):
            pass
        os._exit(0)

    # A thread, so that a loop that hangs ends too.
    threading.Thread(target=end_with_stdin, daemon=True).start()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loops.run(loop, workload.body(workload.load, announce))


def age_the_allocator() -> None:
    """Put malloc where any program is that has ever freed a large block.

    In a young process each block past 128 KiB is mapped, shrunk and unmapped by system calls, which would
    triple what a request costs on a loop that reads into 256 KiB. glibc raises that threshold when such a
    block is freed.
    """
    bytes(16 * 1024 * 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("loop")
    parser.add_argument("workload", choices=REGISTRY.workloads, metavar="workload")
    parser.add_argument("count", type=int, nargs="?", help="operations (default: the workload's own)")
    parser.add_argument("--port", type=int, help="of the bare server, for a workload that asks one")
    options = parser.parse_args()
    workload = REGISTRY.workloads[options.workload]
    count = options.count or workload.count
    signal.alarm(ALARM)
    age_the_allocator()
    if isinstance(workload, Served):
        run_server(options.loop, workload)
    elif isinstance(workload, Asking):
        print(json.dumps(run_asking(options.loop, workload, count, options.port)))
    elif isinstance(workload, Program):
        print(json.dumps(workload.body(options.loop, count)))
    elif isinstance(workload, Measured):
        print(json.dumps(run_measured(options.loop, workload, count)))
    elif options.loop == BARE:
        print(json.dumps(run_bare(workload, count)))
    else:
        print(json.dumps(run_timed(options.loop, workload, count)))


if __name__ == "__main__":
    main()
