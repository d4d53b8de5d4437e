"""A program on a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from programs import ROOT, TIMEOUT, clean_environment


class Shown:
    """What it has written, in `text`; it has the keys that are pressed."""

    def __init__(self, *words: object) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        environment = clean_environment(COLUMNS="120", LINES="40", TERM="xterm-256color")
        self.process = subprocess.Popen(
            words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            cwd=ROOT,
        )
        os.close(slave)
        self.text = ""

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def until(self, what: str) -> None:
        deadline = time.monotonic() + TIMEOUT / 2
        while what not in self.text:
            assert time.monotonic() < deadline, self.text[-3000:]
            self.read()

    def read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], 1)
        if ready:
            try:
                got = os.read(self.master, 1 << 16)
            except OSError:
                return False
            self.text += got.decode(errors="replace")
            return bool(got)
        return True

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self) -> int:
        while self.read() and self.process.poll() is None:
            pass
        while select.select([self.master], [], [], 0)[0] and self.read():
            pass
        return self.process.wait(TIMEOUT / 2)
