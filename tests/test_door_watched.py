"""Rust futures in the recording of a loop, as its tasks are."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import needs_ironloop

# The first test may have to build the extension.
pytestmark = [needs_ironloop, pytest.mark.timeout(600)]


def rows(saved: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "ironloop", "tree", "--json", str(saved)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, Any] = {}

    def take(task: Any) -> None:
        found[task["name"]] = task
        for other in task["awaits"]:
            take(other)

    told = json.loads(ran.stdout)
    for recording in told if isinstance(told, list) else [told]:
        for task in recording["tasks"]:
            take(task)
    return found


@pytest.mark.parametrize("recorded", ["before", "after"])
def test_a_spawned_future_has_a_row(door: Any, tmp_path: Path, recorded: str) -> None:
    import ironloop

    saved = tmp_path / "saved.ironloop"

    async def main() -> None:
        if recorded == "before":
            ironloop.watch()
        await door.spawns_what_never_ends()
        await asyncio.sleep(0)
        ironloop.watch()
        await asyncio.sleep(0)
        ironloop.snapshot(saved)

    ironloop.run(main())
    row = rows(saved)["Rust spawns_what_never_ends"]
    assert row["kind"] == "Rust future"
    assert row["coroutine"].startswith("door_extension::spawned::spawns_what_never_ends::")
    assert re.search(r"spawned\.rs:\d+$", row["made_at"])
    assert (row["state"], row["waits_for"]) == ("SUSPENDED", "Rust")
    assert row["steps"] == (1 if recorded == "before" else 0)


def test_what_has_ended_has_no_row_and_was_a_step_of_its_own(door: Any, tmp_path: Path) -> None:
    import ironloop

    saved = tmp_path / "saved.ironloop"

    async def main() -> None:
        ironloop.watch()
        await door.spawns_what_is_busy(1)
        ironloop.snapshot(saved)

    ironloop.run(main())
    found = rows(saved)
    assert "Rust spawns_what_is_busy" not in found
    (task,) = found.values()
    # What it spawned ran for itself, not as part of this one.
    assert task["kind"] == "task" and task["name"].startswith("Task-")


def test_one_that_begins_the_recording_and_ends_is_not_there(door: Any, tmp_path: Path) -> None:
    import ironloop

    saved = tmp_path / "saved.ironloop"

    async def main() -> None:
        await door.spawns_what_never_ends()
        await door.spawns_what_calls(ironloop.watch)
        ironloop.snapshot(saved)

    ironloop.run(main())
    assert sorted(name for name in rows(saved) if "Rust" in name) == ["Rust spawns_what_never_ends"]


def test_it_is_told_how_each_has_ended(door: Any, tmp_path: Path) -> None:
    import ironloop

    saved, to = tmp_path / "saved.ironloop", tmp_path / "run.json"

    async def main() -> None:
        ironloop.watch()
        ready, aborted, panicked = await door.spawns_what_ends()
        assert (ready, aborted) == ("Ok(())", "Err(JoinError(cancelled))")
        assert panicked == "Err(JoinError(panicked: on purpose))"
        ironloop.snapshot(saved)

    ironloop.run(main())
    command = [sys.executable, "-m", "ironloop", "replay", str(saved), "--to", str(to)]
    subprocess.run(command, check=True, timeout=120)
    events = json.loads(to.read_text())["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    ends = {names[event["tid"]]: event["name"] for event in events if event["ph"] == "i"}
    assert ends == {"Rust is_ready": "result", "Rust is_aborted": "cancelled", "Rust has_panicked": "error"}


def test_a_task_says_which_rust_future_it_waits_for(door: Any, tmp_path: Path) -> None:
    import ironloop

    saved = tmp_path / "saved.ironloop"
    event = door.Event()

    async def waits() -> None:
        await event.wait()

    async def main() -> None:
        ironloop.watch()
        tasks = [asyncio.create_task(waits(), name="outer"), asyncio.create_task(event.wait(), name="own")]
        while event.waiting() < 2:
            await asyncio.sleep(0)
        ironloop.snapshot(saved)
        event.set()
        await asyncio.gather(*tasks)

    ironloop.run(main())
    found = rows(saved)
    for name in ("outer", "own"):
        row = found[name]
        assert row["state"] == "SUSPENDED"
        assert re.fullmatch(
            r"Rust Event\.wait \(door_extension::Event::wait::.* .*lib\.rs:\d+\)", row["waits_for"]
        )
    assert re.search(r"test_door_watched\.py:\d+$", found["outer"]["waits_at"])
    assert re.search(r"lib\.rs:\d+$", found["own"]["waits_at"])
