"""Temporary files and folders, made by Python's `tempfile` in a thread. (aiofiles: tempfile)"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from typing import Any

from ironloop.files import workers
from ironloop.files.opening import Opening, keeping, wrapped
from ironloop.files.threadpool import in_thread

__all__ = ["NamedTemporaryFile", "SpooledTemporaryFile", "TemporaryDirectory", "TemporaryFile"]


def TemporaryFile(
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | None = None,
    prefix: str | None = None,
    dir: Any = None,
    loop: Any = None,
    executor: Any = None,
) -> Opening[Any]:
    """A file without a name, gone when it is closed: awaited, or by `async with`."""
    make = partial(tempfile.TemporaryFile, mode, buffering, encoding, newline, suffix, prefix, dir)
    return Opening(_unnamed(make, mode, newline))


async def _unnamed(make: Any, mode: str, newline: str | None) -> Any:
    return wrapped(await keeping(workers.disks, make), mode, newline)


def NamedTemporaryFile(
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | None = None,
    prefix: str | None = None,
    dir: Any = None,
    delete: bool = True,
    delete_on_close: bool = True,
    loop: Any = None,
    executor: Any = None,
) -> Opening[Any]:
    """A file with a name. It is deleted when it is closed, or, with `delete_on_close` false (from Python 3.12
    on), when `async with` ends; or not at all, if `delete` is false.
    """
    more = {"delete_on_close": delete_on_close} if sys.version_info >= (3, 12) else {}
    make = partial(
        tempfile.NamedTemporaryFile, mode, buffering, encoding, newline, suffix, prefix, dir, delete, **more
    )
    return _NamedOpening(_named(make, mode, newline))


async def _named(make: Any, mode: str, newline: str | None) -> Any:
    made: Any = await keeping(workers.disks, make)
    opened = made.file
    file: Any = wrapped(opened, mode, newline, made.close)
    # From now on the descriptor is that of what the file is made of.
    made.file = made._closer.file = file._file
    file._made = made
    file.delete = delete = getattr(made, "delete", None)
    if delete is None:
        file.delete = made._closer.delete
    return file


class _NamedOpening(Opening[Any]):
    __slots__ = ()

    async def __aexit__(self, *error: Any) -> None:
        file = self._obj
        await super().__aexit__(*error)
        await workers.run(file._made.__exit__, None, None, None)


class AsyncSpooledTemporaryFile:
    """A file in memory, which becomes one of the disk when it is large."""

    def __init__(self, file: Any, loop: Any = None, executor: Any = None) -> None:
        self._file = file
        self._loop = loop
        self._executor = executor

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._file.closed  # type: ignore[no-any-return]

    @property
    def encoding(self) -> Any:
        """The encoding of its text."""
        return self._file.encoding

    @property
    def mode(self) -> Any:
        """How it was opened."""
        return self._file.mode

    @property
    def name(self) -> Any:
        """Its name, once it is on the disk."""
        return self._file.name

    @property
    def newlines(self) -> Any:
        """Which ends of lines were met so far."""
        return self._file.newlines

    async def _do(self, name: str, /, *args: Any) -> Any:
        function = getattr(self._file, name)
        if self._file._rolled:
            return await in_thread(self._loop, self._executor, function, *args)
        return function(*args)

    async def _put(self, name: str, argument: Any, size: int) -> Any:
        """What may make it go to the disk does so in a thread."""
        file = self._file
        if not file._rolled and file._max_size and file._file.tell() + size > file._max_size:
            return await in_thread(self._loop, self._executor, getattr(file, name), argument)
        return await self._do(name, argument)

    async def write(self, data: Any) -> Any:
        """Writes; how much."""
        # A character may be of four bytes.
        size = 4 * len(data) if isinstance(data, str) else len(data)
        return await self._put("write", data, size)

    async def writelines(self, lines: Any) -> Any:
        """Writes one after another, as they are."""
        lines = list(lines)
        return await self._put("writelines", lines, 4 * sum(map(len, lines)))

    async def rollover(self) -> None:
        """Goes to the disk."""
        await in_thread(self._loop, self._executor, self._file.rollover)

    async def fileno(self) -> Any:
        """The descriptor's number: then it goes to the disk."""
        return await in_thread(self._loop, self._executor, self._file.fileno)

    async def close(self) -> None:
        """Closes it; it is gone."""
        await self._do("close")

    async def flush(self) -> None:
        """Gives the kernel what waits to be written."""
        await self._do("flush")

    async def isatty(self) -> Any:
        """False."""
        return await self._do("isatty")

    async def read(self, *size: Any) -> Any:
        """Reads so much, or all."""
        return await self._do("read", *size)

    async def readline(self, *size: Any) -> Any:
        """Reads a line."""
        return await self._do("readline", *size)

    async def readlines(self, *hint: Any) -> Any:
        """Reads lines."""
        return await self._do("readlines", *hint)

    async def seek(self, *place: Any) -> Any:
        """Goes there."""
        return await self._do("seek", *place)

    async def tell(self) -> Any:
        """Where it stands."""
        return await self._do("tell")

    async def truncate(self, size: int | None = None) -> Any:
        """Makes it so long."""
        return await in_thread(self._loop, self._executor, self._file.truncate, size)

    def __aiter__(self) -> AsyncSpooledTemporaryFile:
        return self

    async def __anext__(self) -> Any:
        if line := await self.readline():
            return line
        raise StopAsyncIteration


def SpooledTemporaryFile(
    max_size: int = 0,
    mode: str = "w+b",
    buffering: int = -1,
    encoding: str | None = None,
    newline: str | None = None,
    suffix: str | None = None,
    prefix: str | None = None,
    dir: Any = None,
    loop: Any = None,
    executor: Any = None,
) -> Opening[AsyncSpooledTemporaryFile]:
    """A file in memory until it has more than `max_size` bytes (0: for ever), then one of the disk."""
    make = partial(
        tempfile.SpooledTemporaryFile, max_size, mode, buffering, encoding, newline, suffix, prefix, dir
    )
    return Opening(_spooled(make, loop, executor))


async def _spooled(make: Any, loop: Any, executor: Any) -> AsyncSpooledTemporaryFile:
    return AsyncSpooledTemporaryFile(make(), loop, executor)


class AsyncTemporaryDirectory:
    """A folder that is deleted with all that is in it."""

    def __init__(self, made: tempfile.TemporaryDirectory[Any]) -> None:
        self._file = made

    @property
    def name(self) -> Any:
        """Its path."""
        return self._file.name

    async def cleanup(self) -> None:
        """Deletes it."""
        await workers.run(self._file.cleanup)

    async def close(self) -> None:
        """Deletes it."""
        await self.cleanup()


class _DirectoryOpening(Opening[Any]):
    __slots__ = ()

    async def __aenter__(self) -> Any:
        return (await self).name


def TemporaryDirectory(
    suffix: str | None = None,
    prefix: str | None = None,
    dir: Any = None,
    loop: Any = None,
    executor: Any = None,
) -> Opening[Any]:
    """A folder, deleted when `async with` ends, which gives its path; awaited: it has `name` and `close`."""
    return _DirectoryOpening(_directory(partial(tempfile.TemporaryDirectory, suffix, prefix, dir)))


async def _directory(make: Any) -> AsyncTemporaryDirectory:
    return AsyncTemporaryDirectory(await workers.run(make))
