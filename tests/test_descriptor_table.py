"""The process' table of descriptors has room before there are threads: to enlarge it later stops who asks."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import needs_ironloop

pytestmark = needs_ironloop

PROGRAM = """
import resource, sys, threading
import ironloop

def size():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("FDSize:"))

limit, threads = int(sys.argv[1]), sys.argv[2] == "threads"
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
before = size()
go = threading.Event()
if threads:
    threading.Thread(target=go.wait).start()
loop = ironloop.new_event_loop()
loop.close()
go.set()
print(before, size())
"""


def sizes(limit: int, *, threads: bool) -> tuple[int, int]:
    words = [sys.executable, "-c", PROGRAM, str(limit), "threads" if threads else "alone"]
    before, after = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return int(before), int(after)


@pytest.mark.parametrize("limit", [64, 1000])
def test_a_loop_makes_room_for_as_many_as_there_may_be(limit: int) -> None:
    before, after = sizes(limit, threads=False)
    assert after >= max(before, limit)
    # Twice, where that is no power of two; and what the table had.
    assert after <= max(before, 2 * limit)


def test_where_other_threads_run_it_leaves_the_table_alone() -> None:
    before, after = sizes(4000, threads=True)
    assert before < 4000
    assert after == before
