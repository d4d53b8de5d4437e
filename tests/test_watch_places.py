"""Where a program cannot be recorded it runs on: no memory, another's directory, namespaces, forks."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from watched import begun_in, view


@pytest.fixture
def program(tmp_path):
    yield from begun_in(tmp_path)


RUNS_ON = """
    import asyncio, os, sys, ironloop

    async def main():
        await asyncio.sleep(0.001)
        tasks = [asyncio.create_task(asyncio.sleep(0.001)) for _ in range(5000)]
        await asyncio.gather(*tasks)
        print("ready", flush=True)

    ironloop.run(main())
"""


def run_in_namespaces(tmp_path, switches: str, before: str, **variables: str):
    """Runs a program in namespaces of its own, where this system allows that."""
    path = tmp_path / "app.py"
    path.write_text(textwrap.dedent(RUNS_ON))
    can = subprocess.run(["unshare", *switches.split(), "true"], capture_output=True)
    if can.returncode:
        pytest.skip("no namespaces here")
    words = ["unshare", *switches.split(), "sh", "-c", f'{before} && exec "$@"', "sh", sys.executable, path]
    environment = {**os.environ, "IRONLOOP_WATCH": "1", **variables}
    environment.pop("XDG_RUNTIME_DIR", None)
    return subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment)


@pytest.mark.parametrize("size", ["4k", "1m"])
def test_where_memory_is_full_a_program_runs_on_and_says_that_it_is_not_recorded(tmp_path, size):
    done = run_in_namespaces(tmp_path, "-m", f"mount -t tmpfs -o size={size} tmpfs /dev/shm")
    assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr
    assert "ironloop: this loop is not recorded: " in done.stderr and "No space left" in done.stderr


def test_where_memory_gets_full_meanwhile_a_program_runs_on(tmp_path):
    done = run_in_namespaces(tmp_path, "-m", "mount -t tmpfs -o size=3m tmpfs /dev/shm")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n", "")


def test_a_directory_of_somebody_else_is_left_alone_and_said(tmp_path):
    folder = f"/dev/shm/ironloop-{os.geteuid()}"
    before = f"mount -t tmpfs tmpfs /dev/shm && mkdir -m 700 {folder} && chown 54321 {folder}"
    done = run_in_namespaces(tmp_path, "-m", before)
    if done.returncode and "chown" in done.stderr:
        pytest.skip("only root may give a directory away")
    assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr
    assert f"{folder} belongs to user 54321" in done.stderr


def test_two_processes_with_one_number_have_a_file_each(tmp_path):
    """Process 1 of two namespaces, in one directory."""
    path = tmp_path / "app.py"
    wait = 'print("ready", flush=True)\n    await asyncio.sleep(1000)'
    path.write_text(textwrap.dedent(RUNS_ON).replace('print("ready", flush=True)', wait))
    unshare = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces here")
    environment = {**os.environ, "IRONLOOP_WATCH": "1"}
    children = []
    try:
        for _ in range(2):
            words = [*unshare, sys.executable, path]
            children.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment))
        assert [child.stdout.readline() for child in children] == ["ready\n"] * 2
        # From out here their numbers mean nothing.
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        folder = f"{runtime}/ironloop" if runtime else f"/dev/shm/ironloop-{os.geteuid()}"
        files = [name for name in os.listdir(folder) if name.startswith("1.")]
        assert len(files) >= 2, files
        for name in files:
            assert "in another namespace" in view("tree", f"{folder}/{name}").splitlines()[0]
    finally:
        for child in children:
            child.kill()
            child.wait()
            child.stdout.close()
        for name in os.listdir(folder):
            if name.startswith("1."):
                os.unlink(f"{folder}/{name}")


def test_a_forked_child_and_a_process_that_becomes_another_one_are_left_in_peace(program):
    child = program(
        """
        import asyncio, os, sys, ironloop

        async def main():
            await asyncio.sleep(0.001)
            if os.fork() == 0:
                # The child has a loop of its own, and writes nothing into its parent's file.
                ironloop.run(asyncio.sleep(0.01))
                os._exit(0)
            _, status = os.wait()
            assert status == 0
            mine = asyncio.create_task(asyncio.sleep(1000), name="parent's")
            await asyncio.sleep(0)
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            os.execv(sys.executable, [sys.executable, "-c", "print('another', flush=True); input()"])

        ironloop.run(main())
        """
    )
    assert "parent's sleep(): SUSPENDED" in view("tree", str(child.pid))
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.stdout.readline() == "another\n"
    done = subprocess.run(
        [sys.executable, "-m", "ironloop", "list"], capture_output=True, text=True, timeout=60
    )
    (line,) = [line for line in done.stdout.splitlines() if line.split()[0] == str(child.pid)]
    assert line.split()[1] == "killed"
