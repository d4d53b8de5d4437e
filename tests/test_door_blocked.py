"""Who blocked the loop, where it was the poll of a Rust future."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import rust_extension
from conftest import needs_ironloop
from programs import run_program

# The first test may have to build the extension.
pytestmark = [needs_ironloop, pytest.mark.timeout(600)]

PRELUDE = """
import asyncio, json, sys, time
sys.path.insert(0, {folder!r})
import door_extension as door
import ironloop

reports = []
ironloop.add_blocked_callback(reports.append)

async def calls():
    await door.busy(600)

async def main():
{body}
    # The loop's own thread tells of it in another turn.
    await asyncio.sleep(0.01)

ironloop.run(main())
for report in reports:
    stack = [frame.name for frame in report.stack]
    print(json.dumps(dict(rust=report.rust, text=report.text, task=report.task, stack=stack)))
"""


@pytest.fixture(scope="module")
def folder() -> str:
    return str(Path(rust_extension.build().__file__).parent)


def blocked(folder: str, tmp_path: Path, body: str) -> tuple[dict[str, Any], str]:
    """The report of the one block, and what was said meanwhile."""
    program = tmp_path / "program.py"
    program.write_text(PRELUDE.format(folder=folder, body=textwrap.indent(textwrap.dedent(body), "    ")))
    ran = run_program([sys.executable, program], cwd=tmp_path, IRONLOOP_BLOCKED="0.1")
    assert ran.returncode == 0, ran.stderr
    (report,) = [json.loads(line) for line in ran.stdout.splitlines()]
    return report, ran.stderr


PATH = r"door_extension::busy::\{\{closure\}\}"
BUSY = rf"busy \({PATH} .*lib\.rs:\d+\)"


def test_a_coroutines_future_is_named_beside_the_python_stack(folder: str, tmp_path: Path) -> None:
    report, said = blocked(folder, tmp_path, "await calls()")
    assert re.fullmatch(BUSY, report["rust"])
    assert report["stack"][-1] == "calls"
    for text in (report["text"], said):
        assert re.search(rf"; by task Task-\d+ \(main\); in Rust {BUSY}\n", text)
        assert "in calls" in text


def test_also_where_no_python_is_on_the_stack(folder: str, tmp_path: Path) -> None:
    report, _ = blocked(folder, tmp_path, "await asyncio.create_task(door.busy(600), name='only Rust')")
    assert (report["task"], report["stack"]) == ("only Rust", [])
    assert "in Rust busy (" in report["text"] and "in no Python code" not in report["text"]


def test_what_a_future_has_spawned_goes_by_its_own_place(folder: str, tmp_path: Path) -> None:
    report, _ = blocked(folder, tmp_path, "await door.spawns_what_is_busy(600)")
    assert report["task"] is None
    place = r"door_extension::spawned::spawns_what_is_busy::.* .*spawned\.rs:\d+"
    assert re.fullmatch(rf"spawned \({place}\)", report["rust"])


def test_a_block_by_python_has_none(folder: str, tmp_path: Path) -> None:
    report, _ = blocked(folder, tmp_path, "await door.ready()\ntime.sleep(0.6)")
    assert report["rust"] is None and "Rust" not in report["text"]


def test_the_loops_file_has_it_as_the_innermost_line(folder: str, tmp_path: Path) -> None:
    body = """
        ironloop.watch()
        await calls()
        await asyncio.sleep(0.01)
        ironloop.snapshot("saved.ironloop")
    """
    blocked(folder, tmp_path, body)
    saved = (tmp_path / "saved.ironloop").read_bytes()
    assert re.search(rf"Rust busy \({PATH}\)\t.*lib\.rs\t\d+\ncalls\t".encode(), saved)
