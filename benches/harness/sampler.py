"""One sample: a workload on one participant, in a fresh process, with a deadline."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from . import loops, tls
from .loops import BARE
from .native import Native
from .processors import CLIENT, SERVER, pin
from .trace import TraceFailed, traced
from .workload import Asking, Measured, Served, Workload

WORKER = Path(__file__).parent.parent / "worker.py"


class SampleFailed(Exception):
    """The workload did not run to its end; the message says why."""


@dataclass(frozen=True)
class Sampler:
    """Takes samples. `scale` multiplies the workloads' counts; `timeout` (seconds) ends what hangs.

    `before` is the folder in which the subject lies as it was before a change.
    """

    native: Native
    scale: float
    timeout: float
    before: Path | None = None

    def take(self, workload: Workload, participant: str) -> dict[str, float]:
        """Values of one fresh run by the names of the workload's figures. Raises SampleFailed."""
        count = max(1, round(workload.count * self.scale))
        if isinstance(workload, Served):
            return self._ask_server(workload, participant, count)
        if isinstance(workload, Asking):
            return self._ask_bare_server(workload, participant, count)
        with _stderr() as stderr:
            command = [*self._worker(participant, workload), str(count)]
            patience = workload.patience if isinstance(workload, Measured) else 1
            return _result(self._output(command, stderr, patience=patience))

    def _ask_server(self, workload: Served, participant: str, count: int) -> dict[str, float]:
        command = self._server_command(workload, participant)
        with _stderr() as stderr, _stderr() as complaints, self._server(command, complaints) as (pid, port):
            target = ["--port", str(port), "--server-pid", str(pid), "--deadline", str(self.timeout)]
            client = [str(self.native.load_client), *workload.load.options(count), *target]
            try:
                if workload.traced:
                    with traced(pid) as trace:
                        self._output([*client, "--warm-up", "0"], stderr, processor=CLIENT)
                    return {"calls": trace.calls() / count}
                measured = _result(self._output(client, stderr, processor=CLIENT))
            except (SampleFailed, TraceFailed) as failure:
                raise SampleFailed(f"load client: {failure}; server: {_last_line(complaints)}") from None
        return {
            "bytes": measured["server_grown_bytes"] / measured["requests"],
            "cpu": measured["server_cpu_seconds"] / measured["requests"],
            "rate": measured["requests_per_second"],
            "latency_p50": measured["latency_p50_us"] / 1e6,
            "latency_p99": measured["latency_p99_us"] / 1e6,
        }

    def _ask_bare_server(self, workload: Asking, participant: str, count: int) -> dict[str, float]:
        command = [str(self.native.bare_server), "--answer", workload.answer]
        with _stderr() as stderr, _stderr() as complaints, self._server(command, complaints) as (_, port):
            client = [*self._worker(participant, workload), str(count), "--port", str(port)]
            return _result(self._output(client, stderr, processor=CLIENT))

    def _server_command(self, workload: Served, participant: str) -> list[str]:
        if participant not in (BARE, loops.RUSTLS):
            return self._worker(participant, workload)
        bare = [str(self.native.bare_server)]
        if workload.load.mode == "datagrams":
            return [*bare, "--answer", "datagrams"]
        if not workload.load.tls:
            return bare
        certificate = ["--certificate", str(tls.CERTIFICATE), "--key", str(tls.KEY)]
        if participant == loops.RUSTLS:
            return [*bare, "--tls", loops.RUSTLS, *certificate]
        libssl = tls.libssl()
        if libssl is None:
            raise SampleFailed("this Python's _ssl has OpenSSL inside itself: nothing to compare with")
        return [*tls.linked_like_python(libssl), *bare, "--tls", str(libssl), *certificate]

    def _worker(self, loop: str, workload: Workload) -> list[str]:
        if loop != BARE:
            return [*loops.python(loop, self.before), str(WORKER), loops.module(loop), workload.name]
        if self.native.bare_loop is None:
            raise SampleFailed("it was not built")
        return [*loops.python_with(self.native.bare_loop), str(WORKER), loop, workload.name]

    def _output(
        self, command: list[str], stderr: IO[str], processor: int | None = None, patience: int = 1
    ) -> str:
        """Stdout of a command that ends by itself."""
        limit = self.timeout * patience + 5
        process = _start(command, subprocess.DEVNULL, stderr)
        with _ending(process):
            if processor is not None:
                pin(process.pid, processor)
            try:
                output, _ = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                raise SampleFailed(f"no end after {limit:.0f} s") from None
        if process.returncode:
            raise SampleFailed(f"{_last_line(stderr)} ({_ending_of(process)})")
        return output

    @contextlib.contextmanager
    def _server(self, command: list[str], stderr: IO[str]) -> Iterator[tuple[int, int]]:
        """A server's process id and port, once it listens."""
        process = _start(command, subprocess.PIPE, stderr)
        with _ending(process):
            pin(process.pid, SERVER)
            ready, _, _ = select.select([process.stdout], [], [], self.timeout)
            words = process.stdout.readline().split() if ready else []
            if words[:1] != ["LISTENING"]:
                raise SampleFailed(
                    f"the server does not listen: {_last_line(stderr)} ({_ending_of(process)})"
                )
            yield process.pid, int(words[1])


def _result(output: str) -> dict[str, float]:
    """The JSON object on the last line."""
    try:
        return json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        raise SampleFailed(f"no result, but: {output!r}") from None


def _start(command: list[str], stdin: int, stderr: IO[str]) -> subprocess.Popen[str]:
    # Debug and development mode would measure something else.
    modes = ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE")
    environment = {name: value for name, value in os.environ.items() if name not in modes}
    return subprocess.Popen(
        command, env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, text=True
    )


@contextlib.contextmanager
def _ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """However the block ends, the process ends: a server with its stdin, what is left is killed."""
    try:
        yield
    finally:
        if process.stdin:
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=2)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


@contextlib.contextmanager
def _stderr() -> Iterator[IO[str]]:
    """A file for what processes complain about: unlike a pipe it never fills up."""
    with tempfile.TemporaryFile("w+", errors="replace") as file:
        yield file


def _ending_of(process: subprocess.Popen[str]) -> str:
    """How the process ended: a loop that crashes leaves no message, but a signal."""
    try:
        code = process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return "still running"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _last_line(stderr: IO[str]) -> str:
    stderr.seek(0)
    lines = stderr.read().strip().splitlines()
    return lines[-1].strip() if lines else "no message"
