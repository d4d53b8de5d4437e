"""Python's own files, each method in a thread: what `wrap` makes of one, and stdin, stdout, stderr.

The names are aiofiles', as are `sync_open` and `wrap.register`, by which tests put files of their own in.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable
from functools import partial, singledispatch
from typing import Any, Self

from ironloop.files import workers
from ironloop.files.lines import Lines
from ironloop.files.opening import open

__all__ = ("open", "stderr", "stderr_bytes", "stdin", "stdin_bytes", "stdout", "stdout_bytes", "wrap")

# Opens for `open`, in a thread, if it is something else than Python's own.
sync_open: Any = io.open


async def in_thread(
    loop: Any, executor: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    """In a thread of the executor's, or of ours."""
    if executor is None:
        return await workers.run(partial(function, *args, **kwargs), workers=workers.others)
    loop = loop or asyncio.get_running_loop()
    return await loop.run_in_executor(executor, partial(function, *args, **kwargs))


def _delegated(name: str) -> Any:
    async def method(self: AsyncBase, *args: Any, **kwargs: Any) -> Any:
        return await self._call(getattr(self._file, name), *args, **kwargs)

    method.__name__ = name
    return method


def _direct(name: str) -> Any:
    def method(self: AsyncBase, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._file, name)(*args, **kwargs)

    method.__name__ = name
    return method


class AsyncBase(Lines[Any]):
    """A file of Python's whose methods run in threads."""

    _file: Any

    def __init__(self, file: Any, loop: Any = None, executor: Any = None) -> None:
        self._file = file
        self._loop = loop
        self._executor = executor

    def __repr__(self) -> str:
        return f"{super().__repr__()} wrapping {self._file!r}"

    async def _call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return await in_thread(self._loop, self._executor, function, *args, **kwargs)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    close = _delegated("close")
    flush = _delegated("flush")
    isatty = _delegated("isatty")
    read = _delegated("read")
    readline = _delegated("readline")
    readlines = _delegated("readlines")
    seek = _delegated("seek")
    seekable = _delegated("seekable")
    tell = _delegated("tell")
    truncate = _delegated("truncate")
    writable = _delegated("writable")
    write = _delegated("write")
    writelines = _delegated("writelines")
    fileno = _direct("fileno")
    readable = _direct("readable")

    @property
    def closed(self) -> Any:
        """Whether it is closed."""
        return self._file.closed

    @property
    def mode(self) -> Any:
        """How it was opened."""
        return self._file.mode

    @property
    def name(self) -> Any:
        """The path or the number that it was opened by."""
        return self._file.name


class AsyncFileIO(AsyncBase):
    """Of an `io.FileIO`."""

    readall = _delegated("readall")
    readinto = _delegated("readinto")


class AsyncBufferedIOBase(AsyncBase):
    """Of an `io.BufferedWriter`, or what else has a buffer."""

    read1 = _delegated("read1")
    readinto = _delegated("readinto")
    detach = _direct("detach")

    @property
    def raw(self) -> Any:
        """What has the descriptor."""
        return self._file.raw


class AsyncBufferedReader(AsyncBufferedIOBase):
    """Of an `io.BufferedReader` or `io.BufferedRandom`."""

    peek = _delegated("peek")


class AsyncTextIOWrapper(AsyncBase):
    """Of a file of text."""

    readable = _delegated("readable")
    detach = _direct("detach")

    @property
    def buffer(self) -> Any:
        """The file of bytes below."""
        return self._file.buffer

    @property
    def encoding(self) -> Any:
        """The name of the encoding."""
        return self._file.encoding

    @property
    def errors(self) -> Any:
        """How errors of the encoding are met."""
        return self._file.errors

    @property
    def line_buffering(self) -> Any:
        """Whether each line that is written goes to the kernel at once."""
        return self._file.line_buffering

    @property
    def newlines(self) -> Any:
        """Which ends of lines were met so far."""
        return self._file.newlines


class _Indirect:
    """Of whatever file stands at a name when it is used."""

    def __init__(self, name: str, loop: Any, executor: Any, indirect: Callable[[], Any]) -> None:
        self._name = name
        self._loop = loop
        self._executor = executor
        self._indirect = indirect

    @property
    def _file(self) -> Any:
        return self._indirect()


class AsyncTextIndirectIOWrapper(_Indirect, AsyncTextIOWrapper):
    """Of a file of text that may be exchanged."""


class AsyncIndirectBufferedIOBase(_Indirect, AsyncBufferedIOBase):
    """Of a file of bytes that may be exchanged."""


@singledispatch
def wrap(file: Any, *, loop: Any = None, executor: Any = None) -> Any:
    """The same file with methods to await, each of which runs in a thread.

    Raises:
        TypeError: it is no file of Python's.
    """
    raise TypeError(f"Unsupported io type: {file}.")


@wrap.register(io.TextIOBase)
def _(file: Any, *, loop: Any = None, executor: Any = None) -> Any:
    return AsyncTextIOWrapper(file, loop=loop, executor=executor)


@wrap.register(io.BufferedIOBase)
def _(file: Any, *, loop: Any = None, executor: Any = None) -> Any:
    return AsyncBufferedIOBase(file, loop=loop, executor=executor)


@wrap.register(io.BufferedReader)
@wrap.register(io.BufferedRandom)
def _(file: Any, *, loop: Any = None, executor: Any = None) -> Any:
    return AsyncBufferedReader(file, loop=loop, executor=executor)


@wrap.register(io.FileIO)
def _(file: Any, *, loop: Any = None, executor: Any = None) -> Any:
    return AsyncFileIO(file, loop=loop, executor=executor)


stdin = AsyncTextIndirectIOWrapper("sys.stdin", None, None, lambda: sys.stdin)
stdout = AsyncTextIndirectIOWrapper("sys.stdout", None, None, lambda: sys.stdout)
stderr = AsyncTextIndirectIOWrapper("sys.stderr", None, None, lambda: sys.stderr)
stdin_bytes = AsyncIndirectBufferedIOBase("sys.stdin.buffer", None, None, lambda: sys.stdin.buffer)
stdout_bytes = AsyncIndirectBufferedIOBase("sys.stdout.buffer", None, None, lambda: sys.stdout.buffer)
stderr_bytes = AsyncIndirectBufferedIOBase("sys.stderr.buffer", None, None, lambda: sys.stderr.buffer)
