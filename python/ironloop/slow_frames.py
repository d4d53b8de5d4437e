"""How a frame of `python -m ironloop slow` looks: on a terminal one in the place of the last, on a pipe one
below the other. Knows no loop: what it draws are words."""

from __future__ import annotations

import io
import linecache
import os
import select
import shutil
import sys
from dataclasses import dataclass, field
from typing import Any, TextIO

_BOLD, _DIM, _OFF = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_COLOURS = {
    "RUNNING": "\x1b[32m",
    "READY": "\x1b[33m",
    "SUSPENDED": "\x1b[34m",
    "TIMERS": "\x1b[36m",
    "COMPLETED": "\x1b[2m",
}


@dataclass
class Row:
    """A task, or a timer: its name, what it is, what it waits for or how it ended, and its line."""

    name: str
    what: str = ""
    about: str = ""
    place: str | None = None


@dataclass
class Frame:
    """How all stand at one moment, and what has just happened."""

    number: int
    turn: int
    seconds: float
    text: str
    running: Row | None = None
    ready: list[Row] = field(default_factory=list)
    suspended: list[Row] = field(default_factory=list)
    timers: list[Row] = field(default_factory=list)
    completed: list[Row] = field(default_factory=list)

    def groups(self, most: int) -> list[tuple[str, list[Row]]]:
        """The states in the order in which a task goes through them, at most so many tasks of each."""
        running = [self.running] if self.running is not None else []
        groups = [
            ("READY", self.ready[:most]),
            ("RUNNING", running),
            ("SUSPENDED", self.suspended[:most]),
            ("TIMERS", self.timers[:most]),
            ("COMPLETED", self.completed[-most:]),
        ]
        counts = [
            len(self.ready),
            len(running),
            len(self.suspended),
            len(self.timers),
            len(self.completed),
        ]
        for (_, rows), count in zip(groups, counts, strict=True):
            if count > len(rows):
                rows.append(Row(f"\u2026 {count - len(rows)} more"))
        return groups


def _source(place: str | None) -> tuple[str, str]:
    """File and line in short, and what stands there."""
    if place is None:
        return "", ""
    file, _, line = place.rpartition(":")
    return f"{os.path.basename(file)}:{line}", linecache.getline(file, int(line)).strip()


def lines_of(frame: Frame, most: int = 8, empty: bool = True) -> list[tuple[str, str]]:
    """The frame as lines of a state and a text; without colours, however wide they become."""
    out = []
    groups = frame.groups(most)
    rows = [row for _, rows in groups for row in rows]
    names = max((len(row.name) for row in rows), default=0)
    whats = max((len(row.what) for row in rows), default=0)
    abouts = max((len(row.about) for row in frame.suspended[:most]), default=0)
    for state, rows in groups:
        for row in rows or ([Row("-")] if empty else []):
            place, source = _source(row.place)
            about = f"{row.about:{abouts}}  " if state == "SUSPENDED" else f"{row.about}  "
            text = f"{row.name:{names}}  {row.what:{whats}}  {about}{place}  {source}"
            out.append((state, text.rstrip()))
    return out


def _title(frame: Frame) -> str:
    return f"{frame.number}. {frame.text}"


class Pipe:
    """Frames one below the other, among what the program prints."""

    def open(self) -> None:
        # The program's lines and ours come in the order in which they were written.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)
        self._out: TextIO = sys.stdout

    def draw(self, frame: Frame) -> None:
        out = ["", f"[{frame.seconds:.2f} s, turn {frame.turn}] {_title(frame)}"]
        last = None
        for state, text in lines_of(frame, empty=False):
            out.append(f"  {state if state != last else '':<10} {text}")
            last = state
        try:
            self._out.write("\n".join(out) + "\n")
            self._out.flush()
        except BrokenPipeError:
            # Who reads may leave before the end, as `head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())

    def close(self) -> None:
        pass


class _Printed(io.TextIOBase):
    """Stands where the program prints: what it has printed is drawn, and printed when the show is over."""

    def __init__(self, screen: Terminal, real: TextIO) -> None:
        self._screen = screen
        self._real = real

    def write(self, text: str) -> int:
        self._screen.printed.append((self._real, text))
        return len(text)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._real.isatty()

    def fileno(self) -> int:
        return self._real.fileno()

    @property
    def buffer(self) -> io.BufferedWriter:
        return io.BufferedWriter(_PrintedBytes(self))

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._real.encoding


class _PrintedBytes(io.RawIOBase):
    """The same for who prints bytes."""

    def __init__(self, printed: _Printed) -> None:
        self._printed = printed

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._printed.write(bytes(data).decode(errors="replace"))
        return len(data)


class Terminal:
    """One frame in the place of the last, on the terminal's other screen; keys come from the terminal."""

    def __init__(self) -> None:
        self.printed: list[tuple[TextIO, str]] = []
        self._before: Any = None
        self._open = False
        self._frame: Frame | None = None

    def open(self) -> None:
        import termios
        import tty

        self._out, self._error = sys.stdout, sys.stderr
        try:
            self._keys = os.open("/dev/tty", os.O_RDONLY)
        except OSError:
            self._keys = os.dup(0)
        try:
            self._before = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)
        except termios.error:
            self._before = None
        sys.stdout, sys.stderr = _Printed(self, self._out), _Printed(self, self._error)
        self._out.write("\x1b[?1049h\x1b[?25l")
        self._out.flush()
        self._open = True

    def close(self) -> None:
        """Leaves the terminal as it was, with what the program has printed. More than once is no mistake."""
        if not self._open:
            return
        import termios

        self._open = False
        sys.stdout, sys.stderr = self._out, self._error
        self._out.write("\x1b[?25h\x1b[?1049l")
        if self._before is not None:
            termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)
        os.close(self._keys)
        for real, text in self.printed:
            real.write(text)
            real.flush()
        self._out.flush()

    def draw(self, frame: Frame) -> None:
        columns, rows = shutil.get_terminal_size()
        self._out.write(picture(frame, "".join(text for _, text in self.printed), columns, rows))
        self._out.flush()

    def key(self, seconds: float | None) -> str | None:
        """The next key, or None if none came in so many seconds."""
        if self._before is None:
            return None
        ready, _, _ = select.select([self._keys], [], [], seconds)
        return os.read(self._keys, 16).decode(errors="replace")[:1] if ready else None


def picture(frame: Frame, printed: str, columns: int, rows: int) -> str:
    """The whole screen: the states above, what was printed below, the keys at the foot."""

    def cut(text: str, style: str = "") -> str:
        text = text.expandtabs(4)
        text = text if len(text) <= columns else text[: columns - 1] + "\u2026"
        return f"{style}{text}{_OFF if style else ''}\x1b[K"

    most = max(2, (rows - 12) // 5)
    lines = [
        cut(_title(frame), _BOLD),
        cut(f"{frame.seconds:.2f} s by the program's clock, turn {frame.turn} of the loop", _DIM),
        cut(""),
    ]
    last = None
    for state, text in lines_of(frame, most):
        if last not in (None, state):
            lines.append(cut(""))
        style = _COLOURS[state] + (_BOLD if state == "RUNNING" else "")
        lines.append(cut(f"{state if state != last else '':<10} {text}", style if text[0] != "-" else _DIM))
        last = state
    lines.append(cut(""))
    lines.append(cut("\u2500\u2500 the program has printed ".ljust(columns, "\u2500"), _DIM))
    room = rows - len(lines) - 1
    tail = printed.splitlines()[-room:] if room > 0 else []
    lines += [cut("".join(sign if sign.isprintable() else " " for sign in line)) for line in tail]
    lines += [cut("")] * (rows - 1 - len(lines))
    keys = "space next  r by itself  + - speed  f no more frames  q end"
    lines = [*lines[: rows - 1], cut(keys, _DIM)]
    return "\x1b[H" + "\r\n".join(lines)
