"""What workers and clients talk to: a Redis of our own on loopback, and PostgreSQL (tools/postgres.py)."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from servers import PATIENCE, free_port


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """The port of a Redis that is gone in the end. Raises RuntimeError if there is none to be had."""
    binary = shutil.which("redis-server") or _installed()
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()


def _installed() -> str:
    """Debian's, if apt-get may install it."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        silent = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", "redis-server"]):
            subprocess.run(["apt-get", *command], stdout=subprocess.DEVNULL, env=silent)
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError("there is no redis-server, and it could not be installed")
    return binary


def _wait(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
