"""What changes in a folder or of a file: inotify, read by the loop in which it is used."""

from __future__ import annotations

import asyncio
import enum
import errno
import os
import struct
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Self

from ironloop import _ironloop
from ironloop.files import workers

if TYPE_CHECKING:
    from _typeshed import StrPath

_MODIFY, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _OVERFLOW, _IGNORED, _FOLDER = 0x400, 0x800, 0x4000, 0x8000, 0x4000_0000
_ALL = _MODIFY | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF

# Watch, mask, cookie, length of the name that follows.
_EVENT = struct.Struct("iIII")


class Kind(enum.Enum):
    """What has happened."""

    CREATED = "created"
    """It is there: made, or moved there."""
    MODIFIED = "modified"
    """It was written or truncated."""
    DELETED = "deleted"
    """It is gone: deleted, or moved away."""
    LOST = "lost"
    """There was more than the kernel keeps: look for yourself."""


class Change(NamedTuple):
    """One change of one path."""

    kind: Kind
    path: str


class Watch:
    """Changes, one after another: `async for`. Ends when what is watched is gone, or by `close`."""

    def __init__(self, path: StrPath, recursive: bool) -> None:
        self._root = os.fspath(path)
        self._recursive = recursive
        self._fd = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._paths: dict[int, str] = {}
        self._changes: deque[Change] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._over = False

    async def __aenter__(self) -> Self:
        """From now on changes are noted.

        Raises:
            OSError: there is no such path, or the system allows no more watches.
        """
        if self._fd < 0 and not self._over:
            self._fd = _ironloop.open_watch()
            try:
                await workers.run(self._add, self._root)
                self._loop = asyncio.get_running_loop()
                self._loop.add_reader(self._fd, self._ready)
            except BaseException:
                os.close(self._fd)
                self._fd = -1
                raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        await self.__aenter__()
        while not self._changes:
            if self._over:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._changes.popleft()

    def close(self) -> None:
        """No more changes. Whoever waits for one is told that it is over."""
        self._over = True
        if self._fd >= 0:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _add(self, path: str) -> None:
        self._paths[_ironloop.add_watch(self._fd, path, _ALL)] = path
        if self._recursive:
            for folder, folders, _ in os.walk(path):
                for name in folders:
                    self._add_if_there(os.path.join(folder, name))

    def _add_if_there(self, path: str) -> bool:
        try:
            self._paths[_ironloop.add_watch(self._fd, path, _ALL)] = path
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _ready(self) -> None:
        try:
            data = os.read(self._fd, 64 << 10)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                self.close()
            return
        at = 0
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            name = os.fsdecode(data[at : at + length].rstrip(b"\0"))
            at += length
            self._note(watch, mask, name)
        self._wake()

    def _note(self, watch: int, mask: int, name: str) -> None:
        if mask & _OVERFLOW:
            self._changes.append(Change(Kind.LOST, self._root))
            return
        folder = self._paths.get(watch)
        if folder is None:
            return
        if mask & _IGNORED:
            del self._paths[watch]
            if folder == self._root:
                self.close()
            return
        path = os.path.join(folder, name) if name else folder
        if mask & (_DELETE_SELF | _MOVE_SELF):
            # What is below is told by its own folder.
            if folder == self._root:
                self._changes.append(Change(Kind.DELETED, path))
                if mask & _MOVE_SELF:
                    self.close()
        elif mask & (_CREATE | _MOVED_TO):
            self._changes.append(Change(Kind.CREATED, path))
            if mask & _FOLDER and self._recursive:
                self._look_into(path)
        elif mask & (_DELETE | _MOVED_FROM):
            self._changes.append(Change(Kind.DELETED, path))
        elif mask & _MODIFY:
            self._changes.append(Change(Kind.MODIFIED, path))

    def _look_into(self, folder: str) -> None:
        """A new folder: what came before its watch is told from what is there. Some may be told twice."""
        if not self._add_if_there(folder):
            return
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        for entry in entries:
            self._changes.append(Change(Kind.CREATED, entry.path))
            if entry.is_dir(follow_symlinks=False):
                self._look_into(entry.path)


def watch(path: StrPath, *, recursive: bool = False) -> Watch:
    """What changes in a folder, or of a file: `async with watch(path) as changes`, then `async for`.

    Changes are noted from the `async with` on, or from the first that is asked for.

    Args:
        recursive: the folders below as well, also those that are made later.
    """
    return Watch(path, recursive)
