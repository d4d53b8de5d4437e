"""Starts what a page has users type, asks it, and ends it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pages import Page
from programs import clean_environment
from websockets.sync.client import connect

PATIENCE = 60.0
LOOP = "ironloop.Loop"
TROUBLE = (
    "Traceback (most recent call last)",
    "no loop of ironloop's",
    "Task was destroyed",
    "never awaited",
)

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Started:
    """A command of a page that runs in a folder with the page's programs, on some port or on that one."""

    def __init__(self, page: Page, command: str, folder: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.folder = folder
        self.log = folder / "output.log"
        folder.mkdir(exist_ok=True)
        page.write_programs(folder, self.port)
        words = shlex.split(page.with_ports(command, self.port))
        variables = {}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            variables[name] = value
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                words,
                cwd=folder,
                env=environment(folder, **variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def ask(self, path: str = "/", data: bytes | None = None) -> bytes:
        """The body of an answer; raises OSError if there is none."""
        kind = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, kind)
        with opener.open(request, timeout=10) as answer:
            return bytes(answer.read())

    def who(self, path: str = "/") -> dict[str, Any]:
        """Which loop answers in which process, once there is an answer."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer: dict[str, Any] = json.loads(self.ask(path))
            except (OSError, urllib.error.URLError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"no answer from {self.process.args}:\n{self.output()}") from None
                time.sleep(0.05)
            else:
                return answer

    def says(self, text: str) -> None:
        """Waits until its output has a text."""
        wait_for(lambda: text in self.output(), lambda: f"{text!r} in:\n{self.output()}")

    def ends(self) -> int:
        """Waits for its end by itself; the exit status."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end of {self.process.args}:\n{self.output()}") from None

    def stop(self, how: signal.Signals) -> None:
        """Ends it by a signal, SIGINT as a terminal sends it, to all; it must be clean, with nothing left."""
        if how is signal.SIGINT:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        status = self.ends()
        output = self.output()
        # Some end by the signal that they got, once they have done with it.
        assert status in (0, -how, 128 + how), f"exit status {status}:\n{output}"
        self.is_clean()
        wait_for(lambda: not alive(self.process.pid), lambda: f"processes are left:\n{output}")

    def is_clean(self) -> None:
        """Nothing in its output says that something went wrong."""
        output = self.output()
        assert not [trouble for trouble in TROUBLE if trouble in output], output


@contextlib.contextmanager
def started(page: Page, command: str, folder: Path, port: int | None = None) -> Iterator[Started]:
    """A command that runs; whatever is left of it in the end is killed."""
    server = Started(page, command, folder, port)
    try:
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()


def with_ends(commands: list[str]) -> list[tuple[str, signal.Signals]]:
    """Each command is ended by SIGTERM in some test, the first also by Ctrl-C."""
    return [(commands[0], signal.SIGINT), *((command, signal.SIGTERM) for command in commands)]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """A user's: this environment's programs first, nothing that changes what they do, a home of its own."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    # What is said of a blocked loop, as it starts on a busy machine, is not said between its lines.
    own = clean_environment(PATH=path, HOME=str(folder), IRONLOOP_BLOCKED="off", **variables)
    return {name: value for name, value in own.items() if not name.startswith("PYTEST")}


def run(page: Page, command: str, folder: Path, port: int | None = None) -> str:
    """Runs a command to its end, which must be a clean one; what it has printed."""
    with started(page, command, folder, port) as program:
        status = program.ends()
        output = program.output()
        assert status == 0, f"exit status {status}:\n{output}"
        program.is_clean()
        return output


def on_ironloop(server: Started, path: str = "/") -> int:
    """The loop that answers is ironloop's; the process that has it."""
    answer = server.who(path)
    assert answer["loop"] == LOOP, f"{answer}:\n{server.output()}"
    pid: int = answer["pid"]
    return pid


def echoes(server: Started, path: str = "/echo", size: int = 300_000) -> None:
    """What is posted comes back."""
    sent = os.urandom(size)
    assert server.ask(path, sent) == sent


def echoes_on_websocket(server: Started, path: str = "/ws") -> None:
    """Short and long texts come back, in their order."""
    texts = ["short", "long" * 20_000, *map(str, range(50))]
    with connect(f"ws://127.0.0.1:{server.port}{path}", proxy=None, open_timeout=PATIENCE) as client:
        for text in texts:
            client.send(text)
        assert [client.recv(timeout=PATIENCE) for _ in texts] == texts


def wait_for(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what()[-5000:]
        time.sleep(0.05)


def alive(group: int) -> bool:
    """Whether a process of that group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
