"""One module of the suite, in processes of its own: what hangs or crashes costs a process, and no more."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# Seconds for a test; the slowest takes about ten on an idle machine.
LIMIT = float(os.environ.get("LIMIT", "60"))


@dataclass
class Outcome:
    """How a test ended: passed, skipped, failed, hung or crashed; and whether it made an ironloop loop."""

    name: str
    kind: str
    text: str = ""
    on_loop: bool = False
    seconds: float = 0.0

    @property
    def bad(self) -> bool:
        return self.kind in ("failed", "hung", "crashed")


class ModuleRun:
    """One module's tests, in one process after another until each has ended."""

    def __init__(self, module: str, loop: str, native: bool, wanted: list[str]) -> None:
        self._module = module
        self._loop = loop
        # It reaches what the suite itself starts, too.
        # What blocks their loops, as tests do, is not said between their lines.
        self._environment = {"IRONLOOP_BLOCKED": "off", **os.environ, "IRONLOOP_NATIVE": str(int(native))}
        self._wanted = wanted
        self.tests: list[str] | None = None
        self.outcomes: dict[str, Outcome] = {}

    def run(self) -> list[Outcome]:
        while self._remaining() != []:
            before = len(self.outcomes)
            self._one_process(self._remaining() or [])
            if len(self.outcomes) == before:
                break  # nothing more ends: what is left is told below
        for test in self._remaining() or [] if self.tests is not None else [self._module]:
            self.outcomes[test] = Outcome(test, "crashed", "the module's process ended without running it")
        return list(self.outcomes.values())

    def _remaining(self) -> list[str] | None:
        """What has not ended yet; None as long as the names are not known."""
        if self.tests is None:
            return None
        chosen = set(self._wanted)
        return [name for name in self.tests if name not in self.outcomes and (not chosen or name in chosen)]

    def _one_process(self, names: list[str]) -> None:
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            reading, writing = os.pipe()
            arguments = [sys.executable, HERE / "worker.py", str(writing), self._module, self._loop]
            with (Path(folder) / "output").open("w+") as output:
                process = subprocess.Popen(
                    arguments,
                    cwd=folder,
                    env=self._environment,
                    pass_fds=[writing],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    text=True,
                    start_new_session=True,
                )
                os.close(writing)
                assert process.stdin is not None
                process.stdin.write(json.dumps(names or self._wanted))
                process.stdin.close()
                _workers.add(process)
                try:
                    self._follow(process, reading, output)
                finally:
                    _workers.discard(process)
                    _end(process)

    def _follow(self, process: subprocess.Popen[str], reading: int, output: Any) -> None:
        messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(reading, messages), daemon=True).start()
        running, began = None, time.monotonic()
        while True:
            try:
                message = messages.get(timeout=max(0.0, began + LIMIT - time.monotonic()))
            except queue.Empty:
                process.send_signal(signal.SIGABRT)  # faulthandler shows where it stands
                process.wait()
                self._lost(running, "hung", output)
                return
            if message is None:
                if running is not None:
                    self._lost(running, "crashed", output)
                return
            if "tests" in message:
                self.tests = message["tests"]
            elif "start" in message:
                running, began = message["start"], time.monotonic()
            elif "end" in message:
                self.outcomes[message["end"]] = Outcome(
                    message["end"],
                    message["outcome"],
                    message["text"],
                    message["on_loop"],
                    time.monotonic() - began,
                )
                running, began = None, time.monotonic()
            elif "broken" in message:
                name = f"{self._module}: {message['broken']}"
                self.outcomes[name] = Outcome(name, "failed", message["text"])
            elif "done" in message:
                # Skipped with their class, of which unittest says nothing.
                for test in self._remaining() or []:
                    self.outcomes[test] = Outcome(test, "skipped", "its class is skipped")
                return

    def _lost(self, running: str | None, kind: str, output: Any) -> None:
        output.flush()
        output.seek(0)
        name = running or self._module
        self.outcomes[name] = Outcome(name, kind, "".join(output.readlines()[-60:]))


# Those that run now; ended with this process, should that be ended.
_workers: set[subprocess.Popen[str]] = set()


@atexit.register
def _end_all() -> None:
    for process in list(_workers):
        _end(process)


def _read(pipe: int, messages: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    with os.fdopen(pipe) as lines:
        for line in lines:
            messages.put(json.loads(line))
    messages.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    """The worker and what its tests have started: they are one process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
