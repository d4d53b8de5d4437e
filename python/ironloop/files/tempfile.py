"""Temporary files and folders, made by Python's `tempfile` in a thread. (aiofiles: tempfile)"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from ironloop.files import workers
from ironloop.files.opening import Opening, keeping, wrapped
from ironloop.files.threadpool import AsyncBase, AsyncTextIOWrapper

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


class AsyncSpooledTemporaryFile(AsyncBase):
    """A file in memory, which becomes one of the disk when it is large: then its methods need threads."""

    encoding = AsyncTextIOWrapper.encoding
    errors = AsyncTextIOWrapper.errors
    newlines = AsyncTextIOWrapper.newlines

    async def _call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if self._file._rolled:
            return await super()._call(function, *args, **kwargs)
        return function(*args, **kwargs)

    async def _put(self, name: str, argument: Any, size: int) -> Any:
        """What may make it go to the disk does so in a thread."""
        file = self._file
        function = getattr(file, name)
        if not file._rolled and file._max_size and file._file.tell() + size > file._max_size:
            return await super()._call(function, argument)
        return await self._call(function, argument)

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
        await super()._call(self._file.rollover)

    async def fileno(self) -> Any:
        """The descriptor's number: then it goes to the disk."""
        return await super()._call(self._file.fileno)

    async def truncate(self, size: int | None = None) -> Any:
        """Makes it so long."""
        return await super()._call(self._file.truncate, size)


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
