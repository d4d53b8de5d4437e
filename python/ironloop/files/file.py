"""Files of bytes. What can be had at once is had so; else an operation takes its turn and asks threads.

`FileCore` has a file's state: where it stands, what is read ahead, what waits to be written. A thread knows
Python's own file, which it asks for the descriptor, and an offset; it never touches the state: that is done
on the loop's thread, by the call's `commit`. A read takes nothing before all of it is there, so one that is
cancelled moves nothing.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from ironloop import _ironloop
from ironloop.files import workers
from ironloop.files.lines import Lines
from ironloop.files.turns import Turns, turn_of_the_loop

_T = TypeVar("_T")

# How much of what is written may wait.
_ROOM = 128 << 10

# From here on a thread reads what is asked for, and no more.
_LARGE = 64 << 10

# What a thread takes from a pipe, at most.
_PIECE = 256 << 10


class File(Lines[bytes]):
    """What buffered and unbuffered files have in common."""

    _plain = False

    def __init__(self, raw: io.FileIO, closer: Callable[[], object] | None = None) -> None:
        self._raw: io.FileIO | None = raw
        self._closer = closer or raw.close
        regular, local, _ = _ironloop.file_kind(raw.fileno())
        self._regular = regular
        self._reads, self._writes = raw.readable(), raw.writable()
        position = raw.tell() if regular else 0
        room = _ROOM if self._writes else 0
        self._core = _ironloop.FileCore(raw, position, regular, local, room, self._plain, self._reads)
        self._turns = Turns(workers.disks if regular else workers.others)

    # What it is.

    @property
    def name(self) -> Any:
        """The path or the number that it was opened by."""
        return self._attached().name

    @property
    def mode(self) -> str:
        """How it was opened."""
        return self._attached().mode

    @property
    def closed(self) -> bool:
        """Whether it is closed, or Python's own file below is."""
        return self._turns.closed or (self._raw is not None and self._raw.closed)

    @property
    def _file(self) -> io.FileIO:
        # As aiofiles has it: who owns the descriptor.
        return self._attached()

    def fileno(self) -> int:
        """The descriptor's number."""
        return self._attached().fileno()

    def readable(self) -> bool:
        """Whether it may be read."""
        return self._attached().readable()

    async def writable(self) -> bool:
        """Whether it may be written."""
        return self._attached().writable()

    async def seekable(self) -> bool:
        """Whether it has a position that may be changed."""
        return self._attached().seekable()

    async def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._attached().isatty()

    def __repr__(self) -> str:
        raw = self._raw
        about = "detached" if raw is None else f"name={raw.name!r} mode={raw.mode!r}"
        return f"<ironloop.files.{type(self).__name__} {about}>"

    # Reading.

    async def read(self, size: int | None = -1, /) -> bytes:
        """Reads so many bytes, fewer at the end of the file; all that there are, if negative or None.

        Raises:
            ValueError: the file is closed.
            io.UnsupportedOperation: it was not opened for reading.
        """
        size = -1 if size is None else size
        if not self._turns.taken and (data := self._core.read(size)) is not None:
            return data
        async with self._turns:
            self._may_read("read")
            return await self._read(size)

    async def readinto(self, buffer: Any, /) -> int:
        """Fills the buffer, less far at the end of the file. How many bytes it read."""
        if not self._turns.taken and (count := self._core.readinto(buffer)) is not None:
            return count
        async with self._turns:
            self._may_read("readinto", "read")
            return await self._settled(self._core.readinto, buffer)

    async def readline(self, size: int | None = -1, /) -> bytes:
        """Reads a line with its end, or no more than so many bytes of it; nothing at the end of the file."""
        size = -1 if size is None else size
        if not self._turns.taken and (line := self._core.readline(size)) is not None:
            return line
        async with self._turns:
            self._may_read("readline", "read")
            return await self._settled(self._core.readline, size)

    def __aiter__(self) -> Self:
        self._open("I/O operation on closed file.")
        return self

    # Writing.

    async def write(self, data: Any, /) -> int:
        """Writes bytes where the file stands. How many: all.

        Those of a buffered file may wait for `flush`, `close`, or for more.

        Raises:
            OSError: the disk is full, or fails. `characters_written` says how much of the data was written,
                and the file stands behind that.
            ValueError: the file is closed.
            io.UnsupportedOperation: it was not opened for writing.
        """
        if not self._turns.taken and (count := self._core.write(data)) is not None:
            return count
        async with self._turns:
            self._may_write("write to closed file", "write")
            return await self._write(data)

    async def writelines(self, lines: Iterable[Any], /) -> None:
        """Writes one after another, as they are."""
        for line in lines:
            await self.write(line)

    async def flush(self) -> None:
        """Gives the kernel all that waits to be written."""
        if not self._turns.taken and not self._core.is_pending:
            return
        async with self._turns:
            if self.closed and (self._plain or not self._writes):
                raise ValueError("I/O operation on closed file.")
            self._open("flush of closed file")
            await self._flush()

    async def fsync(self, *, data_only: bool = False) -> None:
        """Returns when the disk has all that was written; `data_only`: without the times of the file."""
        async with self._turns:
            self._open("I/O operation on closed file")
            await self._flush()
            await self._turns.call(os.fdatasync if data_only else os.fsync, self._attached())

    async def truncate(self, size: int | None = None, /) -> int:
        """Makes the file so long, or end where it stands. Its length."""
        async with self._turns:
            self._may_write("truncate of closed file", "truncate")
            await self._flush()
            size = self._core.position if size is None else size
            raw = self._attached()
            await self._turns.call(raw.truncate, size, commit=lambda _: self._core.forget())
            return size

    # Where it stands.

    async def tell(self) -> int:
        """Where the file stands."""
        if not self._turns.taken and self._regular:
            return self._core.position
        async with self._turns:
            self._open("I/O operation on closed file")
            return self._core.position if self._regular else self._attached().tell()

    async def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Goes to a place counted from the beginning, the file's place or the end (`whence` 0, 1, 2)."""
        at_once = not self._turns.taken and self._regular and not self._core.is_pending
        if at_once and whence == 0 and type(offset) is int and 0 <= offset < 1 << 62:
            self._core.seek(offset)
            return offset
        async with self._turns:
            raw = self._open("seek of closed file")
            if not self._regular:
                return await self._seek_elsewhere(raw, offset, whence)
            await self._flush()
            if whence == os.SEEK_CUR:
                offset, whence = self._core.position + offset, os.SEEK_SET
            return await self._turns.call(raw.seek, offset, whence, commit=self._went)  # type: ignore[no-any-return]

    # The end.

    async def close(self) -> None:
        """Writes what waits to be written, and closes the file. Again: nothing.

        Closed it is in any case; a cancellation comes when it is.

        Raises:
            OSError: what waited could not be written.
        """
        if self._turns.closed and self._raw is not None:
            return
        async with self._turns:
            raw = self._attached()
            if self._turns.closed:
                return
            self._turns.closed = True
            offset, data = self._core.pending()
            if raw.closed or (not data and not self._writes and self._at_hand(raw)):
                self._closer()
            else:
                await self._turns.finish(_finish, raw, data, self._place(offset), self._closer)

    def detach(self) -> io.FileIO:
        """Gives up the descriptor, to a blocking file of Python's that stands where this one does.

        What waits to be written is written: `flush` before, to have that wait elsewhere.
        """
        raw = self._attached()
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if self._turns.taken:
            raise RuntimeError("an operation on the file has not ended")
        self._write_out_now()
        if self._regular:
            raw.seek(self._core.position)
        self._raw = None
        self._turns.closed = self._turns.taken = True
        return raw

    async def __aenter__(self) -> Self:
        self._open("I/O operation on closed file.")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        turns = getattr(self, "_turns", None)
        if turns is None or turns.closed or self._raw is None:
            return
        if self._raw.closefd:
            warnings.warn(f"unclosed file {self!r}", ResourceWarning, stacklevel=2, source=self)
        turns.closed = True
        try:
            if not self._raw.closed:
                self._write_out_now()
        finally:
            self._closer()

    # What follows is for who has the turn.

    def _attached(self) -> io.FileIO:
        raw = self._raw
        if raw is None:
            raise ValueError("raw stream has been detached")
        return raw

    def _open(self, closed: str) -> io.FileIO:
        raw = self._attached()
        if self.closed:
            raise ValueError("I/O operation on closed file" if self._plain else closed)
        return raw

    # Python's buffered files have no such method at all where they may not; unbuffered ones look later.

    def _may_read(self, verb: str, what: str | None = None) -> None:
        closed = f"{verb} of closed file"
        if self._plain:
            self._open(closed)
        if not self._reads:
            self._attached()
            raise io.UnsupportedOperation("File not open for reading" if self._plain else what or verb)
        self._open(closed)

    def _may_write(self, closed: str, what: str) -> None:
        if self._plain or what == "truncate":
            self._open(closed)
        if not self._writes:
            self._attached()
            raise io.UnsupportedOperation("File not open for writing" if self._plain else what)
        self._open(closed)

    def _at_hand(self, raw: io.FileIO) -> bool:
        """Whether to close the file waits for nobody: it is here, and does not end with it."""
        regular, local, links = _ironloop.file_kind(raw.fileno())
        return regular and local and links > 0

    async def _settled(self, step: Callable[..., _T | None], /, *arguments: Any) -> _T:
        """Asks the core until it answers."""
        while (answer := step(*arguments)) is None:
            await self._prepare()
        return answer

    def _prepare(self) -> Awaitable[None]:
        """What the core needs before it can answer."""
        if self._core.is_pending:
            return self._flush()
        if (lack := self._core.lack) is None:
            return turn_of_the_loop()
        return self._fetch(*lack)

    async def _fetch(self, offset: int, count: int) -> None:
        # What comes is kept for the next, should this one be cancelled.
        core, raw = self._core, self._attached()
        place = offset if self._regular else None
        await self._turns.call(_read, raw, count, place, commit=lambda data: core.feed(offset, data))

    async def _read(self, size: int) -> bytes:
        while (data := self._core.read(size)) is None:
            lack = self._core.lack
            if self._regular and lack is not None and (size < 0 or lack[1] >= _LARGE):
                return await self._read_past(size)
            await self._prepare()
        return data

    async def _read_past(self, size: int) -> bytes:
        """By a thread, without the buffer, but for what is there already."""
        core = self._core
        here = core.available
        offset = core.position + len(here)
        most = -1 if size < 0 else size - len(here)
        data: bytes = await self._turns.call(_read_rest, self._attached(), offset, most)
        core.moved(len(here) + len(data))
        return here + data if here else data

    async def _write(self, data: Any) -> int:
        await self._flush()
        if (count := self._core.write(data)) is not None:
            return count
        place = self._place(self._core.position)
        return await self._turns.call(_write, self._attached(), data, place, commit=self._wrote)  # type: ignore[no-any-return]

    def _wrote(self, outcome: tuple[int, OSError | None, int | None]) -> int:
        count, error, end = outcome
        self._core.moved(count)
        if end is not None:
            self._core.ends_at(end)
        if error is not None:
            error.characters_written = count  # type: ignore[attr-defined]
            raise error
        return count

    async def _flush(self) -> None:
        if self._core.is_pending:
            offset, data = self._core.pending()
            raw, place = self._attached(), self._place(offset)
            await self._turns.call(_write, raw, data, place, commit=self._wrote_out)

    def _wrote_out(self, outcome: tuple[int, OSError | None, int | None]) -> None:
        count, error, end = outcome
        self._core.written(count)
        if end is not None:
            self._core.ends_at(end)
        if error is not None:
            # Of what the caller has to write. What waited does so still.
            error.characters_written = 0  # type: ignore[attr-defined]
            raise error

    def _write_out_now(self) -> None:
        offset, data = self._core.pending()
        if data:
            self._wrote_out(_write(self._attached(), data, self._place(offset)))

    def _place(self, offset: int) -> int | None:
        """Where to write; None: where the kernel says."""
        raw = self._attached()
        return offset if self._regular and "a" not in raw.mode else None

    def _went(self, position: int) -> int:
        self._core.seek(position)
        return position

    async def _seek_elsewhere(self, raw: io.FileIO, offset: int, whence: int) -> int:
        if not self._plain and not raw.seekable():
            raise io.UnsupportedOperation("File or stream is not seekable.")
        await self._flush()
        self._core.forget()
        return await self._turns.call(raw.seek, offset, whence)  # type: ignore[no-any-return]


class RawFile(File):
    """A file of bytes without a buffer: each read and each write is one of the kernel's."""

    _plain = True

    async def readall(self) -> bytes:
        """Reads all that there is."""
        return await self.read()


class BinaryFile(File):
    """A file of bytes."""

    @property
    def raw(self) -> io.FileIO:
        """Python's own file, which has the descriptor."""
        return self._attached()

    async def read1(self, size: int = -1, /) -> bytes:
        """Reads no more than so many bytes, those that are there: with one read of the kernel's at most."""
        most = io.DEFAULT_BUFFER_SIZE if size < 0 else size
        if not self._turns.taken and (data := self._core.read1(most)) is not None:
            return data
        async with self._turns:
            self._may_read("read", "read1")
            return await self._settled(self._core.read1, most)

    async def readall(self) -> bytes:
        """Reads all that there is."""
        return await self.read()

    async def peek(self, size: int = 0, /) -> bytes:
        """What comes next, at least one byte unless the file is at its end, without reading it."""
        if not self._turns.taken and (data := self._core.peek()) is not None:
            return data
        async with self._turns:
            self._may_read("peek")
            return await self._settled(self._core.peek)


# In threads.


def _read(raw: io.FileIO, count: int, offset: int | None) -> bytes:
    """So many bytes from there; or, without a place, what comes next."""
    if offset is None:
        return os.read(raw.fileno(), min(count, _PIECE))
    return _ironloop.read_at(raw.fileno(), count, offset)


def _read_rest(raw: io.FileIO, offset: int, most: int) -> bytes:
    """So many bytes, or all up to the end."""
    if most >= 0:
        return _ironloop.read_at(raw.fileno(), most, offset)
    pieces = []
    while True:
        # One more tells of the end.
        count = max(os.fstat(raw.fileno()).st_size - offset, 0) + 1
        data = _ironloop.read_at(raw.fileno(), max(count, io.DEFAULT_BUFFER_SIZE), offset)
        pieces.append(data)
        offset += len(data)
        if len(data) < count:
            return data if len(pieces) == 1 else b"".join(pieces)


def _write(raw: io.FileIO, data: Any, place: int | None) -> tuple[int, OSError | None, int | None]:
    """How much was written, the error that ended it, and where the file ends if that was asked."""
    count, error = _ironloop.write_all(raw.fileno(), data, place)
    end = None
    if place is None:
        with contextlib.suppress(OSError):
            end = os.lseek(raw.fileno(), 0, os.SEEK_CUR)
    return count, error, end


def _finish(raw: io.FileIO, data: bytes, place: int | None, closer: Callable[[], object]) -> None:
    error = None
    try:
        if data:
            _, error = _ironloop.write_all(raw.fileno(), data, place)
    finally:
        closer()
    if error is not None:
        raise error
