"""Files of text, over files of bytes: decoded and encoded by Python's own incremental codecs.

What has been decoded and not yet read is `_text`, from `_used` on; it comes in chunks, and for each it is
known where in the file it began and in which state the decoder was. So `tell` can ask an `io.TextIOWrapper`
for the number that it would give. A chunk is decoded when it is there: a read that is cancelled leaves it for
the next. Whose turn it is, is the file of bytes' matter.
"""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterable
from types import TracebackType
from typing import Any, NamedTuple, Self

from ironloop import _ironloop
from ironloop.files.file import BinaryFile
from ironloop.files.lines import Lines

_CHUNK = 8192

# Of what is longer a thread decodes it.
_LONG = 1 << 20

# To decode a chunk and to take its lines takes as long as to read so many bytes.
_CHUNK_COSTS = 160_000

# A position as `io.TextIOWrapper` packs it: where to start (64 bits), the decoder's flags, bytes to feed it,
# characters to skip (32 each), and whether the bytes are the last.
_LONG_WORD = (1 << 64) - 1
_WORD = (1 << 32) - 1


class _Chunk(NamedTuple):
    """From which bytes a part of `_text` was decoded."""

    # Where in `_text` it begins.
    start: int
    # Where its bytes begin in the file; those that the decoder held back included.
    offset: int
    flags: int
    bytes: bytes


class TextFile(Lines[str]):
    """A file of text."""

    def __init__(
        self,
        buffer: BinaryFile,
        *,
        encoding: str,
        errors: str,
        newline: str | None,
        line_buffering: bool,
        mode: str,
    ) -> None:
        self._buffer: BinaryFile | None = buffer
        self._turns = buffer._turns
        self._encoding = encoding
        self._errors = errors
        self._newline = newline
        self._line_buffering = line_buffering
        self._mode = mode
        # What is written for "\n", if it is something else.
        given = os.linesep if newline is None else newline
        self._written_newline = None if given in ("", "\n") else given
        self._decoder: Any = None
        self._encoder: Any = None
        self._text = ""
        self._used = 0
        self._chunks: list[_Chunk] = []

    # What it is.

    @property
    def buffer(self) -> BinaryFile:
        """The file of bytes below."""
        return self._attached()

    @property
    def encoding(self) -> str:
        """The name of the encoding."""
        return self._encoding

    @property
    def errors(self) -> str:
        """How errors of the encoding are met."""
        return self._errors

    @property
    def line_buffering(self) -> bool:
        """Whether each line that is written goes to the kernel at once."""
        return self._line_buffering

    @property
    def newlines(self) -> str | tuple[str, ...] | None:
        """Which ends of lines were met so far, where they are translated."""
        return getattr(self._decoder, "newlines", None)

    @property
    def name(self) -> Any:
        """The path or the number that it was opened by."""
        return self._attached().name

    @property
    def mode(self) -> str:
        """How it was opened."""
        return self._mode

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._attached().closed

    @property
    def _file(self) -> io.FileIO:
        return self._attached()._file

    def fileno(self) -> int:
        """The descriptor's number."""
        return self._attached().fileno()

    async def readable(self) -> bool:
        """Whether it may be read."""
        return self._attached().readable()

    async def writable(self) -> bool:
        """Whether it may be written."""
        return await self._attached().writable()

    async def seekable(self) -> bool:
        """Whether it has a position that may be changed."""
        return await self._attached().seekable()

    async def isatty(self) -> bool:
        """Whether it is a terminal."""
        return await self._attached().isatty()

    def __repr__(self) -> str:
        about = "detached" if self._buffer is None else f"name={self._buffer.name!r} mode={self._mode!r}"
        return f"<ironloop.files.TextFile {about} encoding={self._encoding!r}>"

    # Reading.

    async def read(self, size: int | None = -1, /) -> str:
        """Reads so many characters, fewer at the end of the file; all that there are, if negative or None.

        Raises:
            ValueError: the file is closed. UnicodeDecodeError is one, too.
            io.UnsupportedOperation: it was not opened for reading.
        """
        size = -1 if size is None else size
        if 0 <= size <= len(self._text) - self._used and not self._turns.taken and self._chunks:
            return self._take(self._used + size)
        async with self._turns:
            self._may_read()
            if size < 0:
                return await self._read_all()
            while len(self._text) - self._used < size and await self._more():
                pass
            return self._take(min(self._used + size, len(self._text)))

    async def readline(self, size: int | None = -1, /) -> str:
        """Reads a line with its end, or no more than so many characters; nothing at the end of the file."""
        size = -1 if size is None else size
        if not self._turns.taken and (end := self._line_end(self._used)) and size < 0:
            return self._take(end)
        async with self._turns:
            self._may_read()
            looked = 0
            while not (end := self._line_end(self._used + looked)):
                here = len(self._text) - self._used
                if 0 <= size <= here or not await self._more():
                    end = len(self._text)
                    break
                # What is there was looked through, but an end may be of two characters.
                looked = max(here - 1, 0)
            return self._take(end if size < 0 else min(end, self._used + size))

    def __aiter__(self) -> Self:
        self._open()
        return self

    async def __anext__(self) -> str:
        if not self._turns.taken and (end := self._line_end(self._used)):
            return self._take(end)
        return await super().__anext__()

    # Writing.

    async def write(self, text: str, /) -> int:
        """Writes text where the file stands. How many characters: all.

        Raises:
            OSError: the disk is full, or fails.
            ValueError: the file is closed. UnicodeEncodeError is one, too: then nothing was written.
            io.UnsupportedOperation: it was not opened for writing.
        """
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        async with self._turns:
            buffer = self._open()
            if not buffer._writes:
                raise io.UnsupportedOperation("not writable")
            data = self._encode(text)
            self._forget()
            if self._decoder is not None:
                self._decoder.reset()
            if buffer._core.write(data) is None:
                await buffer._write(data)
            if self._line_buffering and ("\n" in text or "\r" in text):
                await buffer._flush()
            return len(text)

    async def writelines(self, lines: Iterable[str], /) -> None:
        """Writes one after another, as they are."""
        for line in lines:
            await self.write(line)

    async def flush(self) -> None:
        """Gives the kernel all that waits to be written."""
        self._open()
        await self._attached().flush()

    async def fsync(self, *, data_only: bool = False) -> None:
        """Returns when the disk has all that was written; `data_only`: without the times of the file."""
        self._open()
        await self._attached().fsync(data_only=data_only)

    async def truncate(self, size: int | None = None, /) -> int:
        """Makes the file so many bytes long, or end where the file of bytes stands. Its length."""
        self._open()
        return await self._attached().truncate(size)

    # Where it stands.

    async def tell(self) -> int:
        """Where the file stands: a number for `seek`, and nothing else."""
        async with self._turns:
            buffer = self._open()
            await self._may_seek(buffer)
            return self._place(buffer)

    async def seek(self, cookie: int, whence: int = os.SEEK_SET, /) -> int:
        """Goes where `tell` has said, to the beginning (0) or the end (0, 2)."""
        async with self._turns:
            buffer = self._open()
            await self._may_seek(buffer)
            if whence == os.SEEK_CUR:
                if cookie != 0:
                    raise io.UnsupportedOperation("can't do nonzero cur-relative seeks")
                cookie = self._place(buffer)
            elif whence == os.SEEK_END:
                if cookie != 0:
                    raise io.UnsupportedOperation("can't do nonzero end-relative seeks")
                await buffer._flush()
                end: int = await self._turns.call(buffer.raw.seek, 0, os.SEEK_END, commit=buffer._went)
                self._restart(end, None)
                return end
            elif whence != os.SEEK_SET:
                raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
            if cookie < 0:
                raise ValueError(f"negative seek position {cookie!r}")
            await self._go(buffer, cookie)
            return cookie

    # The end.

    async def close(self) -> None:
        """Writes what waits to be written, and closes the file. Again: nothing.

        Raises:
            OSError: what waited could not be written.
        """
        await self._attached().close()

    def detach(self) -> io.BufferedReader | io.BufferedWriter | io.BufferedRandom:
        """Gives up the descriptor, to a blocking file of Python's."""
        raw = self._attached().detach()
        self._buffer = None
        if not raw.readable():
            return io.BufferedWriter(raw)
        return io.BufferedRandom(raw) if raw.writable() else io.BufferedReader(raw)

    async def __aenter__(self) -> Self:
        self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # What follows is for who has the turn.

    def _attached(self) -> BinaryFile:
        buffer = self._buffer
        if buffer is None:
            raise ValueError("underlying buffer has been detached")
        return buffer

    def _open(self) -> BinaryFile:
        buffer = self._attached()
        if buffer.closed:
            raise ValueError("I/O operation on closed file.")
        return buffer

    def _may_read(self) -> None:
        if not self._open()._reads:
            raise io.UnsupportedOperation("not readable")

    def _take(self, end: int) -> str:
        """The text up to there is read."""
        taken = self._text[self._used : end]
        self._used = end
        chunks = self._chunks
        if len(chunks) > 1 and chunks[1].start <= end:
            while len(chunks) > 1 and chunks[1].start <= end:
                del chunks[0]
            start = chunks[0].start
            self._text = self._text[start:]
            self._used -= start
            self._chunks = [chunk._replace(start=chunk.start - start) for chunk in chunks]
        return taken

    def _line_end(self, start: int) -> int:
        """Behind the first end of a line from there on; 0: there is none."""
        if self._newline is None or self._newline == "\n":
            return self._text.find("\n", start) + 1
        if self._newline:
            found = self._text.find(self._newline, start)
            return found + len(self._newline) if found >= 0 else 0
        # The decoder parts no "\r" from its "\n".
        feed, carriage = self._text.find("\n", start), self._text.find("\r", start)
        if carriage < 0 or 0 <= feed < carriage:
            return feed + 1
        return carriage + (2 if feed == carriage + 1 else 1)

    async def _more(self) -> bool:
        """Decodes one chunk more; whether there was one."""
        buffer = self._attached()
        if self._decoder is None:
            self._decoder = self._new_decoder()
        # Before the chunk is read: nothing is lost if that is cancelled.
        held, flags = self._decoder.getstate()
        data = await buffer._settled(buffer._core.read1, _CHUNK)
        _ironloop.spend_budget(_CHUNK_COSTS)
        if self._used == len(self._text):
            self._forget()
        text: str = self._decoder.decode(data, not data)
        offset = buffer._core.position - len(data) - len(held)
        self._chunks.append(_Chunk(len(self._text), offset, flags, held + data))
        self._text += text
        return bool(data)

    async def _read_all(self) -> str:
        buffer = self._attached()
        if self._decoder is None:
            self._decoder = self._new_decoder()
        data = await buffer._read(-1)
        decoder = self._decoder
        if len(data) < _LONG:
            rest = decoder.decode(data, True)
        else:
            # If it is cancelled nothing has been read.
            offset = buffer._core.position - len(data)
            decoder = self._new_decoder()
            decoder.setstate(self._decoder.getstate())
            try:
                rest = await self._turns.call(decoder.decode, data, True)
            except BaseException:
                if buffer._regular:
                    buffer._core.seek(offset)
                raise
            self._decoder = decoder
        text: str = self._text[self._used :] + rest
        self._forget()
        return text

    def _forget(self) -> None:
        self._text = ""
        self._used = 0
        self._chunks = []

    def _new_decoder(self) -> Any:
        decoder = codecs.getincrementaldecoder(self._encoding)(self._errors)
        if self._newline is None or self._newline == "":
            return io.IncrementalNewlineDecoder(decoder, self._newline is None)
        return decoder

    def _encode(self, text: str) -> bytes:
        if self._encoder is None:
            self._encoder = codecs.getincrementalencoder(self._encoding)(self._errors)
            if self._attached()._core.position != 0:
                # No mark of the order of bytes but at the beginning.
                self._encoder.setstate(0)
        if self._written_newline is not None and "\n" in text:
            text = text.replace("\n", self._written_newline)
        return self._encoder.encode(text)  # type: ignore[no-any-return]

    async def _may_seek(self, buffer: BinaryFile) -> None:
        if not await buffer.seekable():
            raise io.UnsupportedOperation("underlying stream is not seekable")

    def _place(self, buffer: BinaryFile) -> int:
        if not self._chunks:
            return buffer._core.position
        chunk = self._chunks[0]
        if self._used == chunk.start:
            return chunk.offset | chunk.flags << 64
        # The number is `io.TextIOWrapper`'s, of a file in which the chunk follows one byte: at the very
        # beginning it would not take the flags.
        content = io.BytesIO(b"\0" + chunk.bytes)
        asked = io.TextIOWrapper(content, self._encoding, self._errors, self._newline)
        asked.seek(1 | chunk.flags << 64)
        asked.read(self._used - chunk.start)
        return asked.tell() - 1 + chunk.offset

    async def _go(self, buffer: BinaryFile, cookie: int) -> None:
        position, flags = cookie & _LONG_WORD, (cookie >> 64) & _WORD
        fed, skipped, last = (cookie >> 96) & _WORD, (cookie >> 128) & _WORD, bool(cookie >> 160)
        await buffer._flush()
        buffer._core.seek(position)
        if skipped == 0:
            self._restart(position, None if cookie == 0 else flags)
            return
        data = await buffer._read(fed)
        self._decoder = self._decoder or self._new_decoder()
        self._restart(position, flags)
        text = self._decoder.decode(data, last)
        if len(text) < skipped:
            raise OSError("can't restore logical file position")
        self._chunks = [_Chunk(0, position, flags, data)]
        self._text, self._used = text, skipped

    def _restart(self, position: int, flags: int | None) -> None:
        """Nothing was read or written here; the decoder has these flags, or is as it begins."""
        self._forget()
        if flags is not None and (flags or self._decoder is not None):
            self._decoder = self._decoder or self._new_decoder()
            self._decoder.setstate((b"", flags))
        elif self._decoder is not None:
            self._decoder.reset()
        if self._encoder is not None:
            if position != 0:
                self._encoder.setstate(0)
            else:
                self._encoder.reset()
