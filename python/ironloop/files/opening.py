"""`open`: Python's own function opens and judges, in a thread unless it cannot wait. What it has made is
taken apart, and its descriptor gets a file of ours.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from ironloop import _ironloop
from ironloop.files import workers
from ironloop.files.file import BinaryFile, File, RawFile
from ironloop.files.text import TextFile

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from _typeshed import FileDescriptorOrPath, OpenBinaryMode, OpenTextMode

_File = TypeVar("_File")
_Opener = Callable[[str, int], int]
_sync_open: Any = io.open


class Opening(Awaitable[_File], AbstractAsyncContextManager[Any], Generic[_File]):
    """What is about to be opened: `await` it, or `async with` it, which closes it in the end."""

    __slots__ = ("_coro", "_obj")

    def __init__(self, coro: Coroutine[Any, Any, _File]) -> None:
        self._coro = coro
        self._obj: Any = None

    def __await__(self) -> Generator[Any, None, _File]:
        if self._obj is None:
            self._obj = yield from self._coro.__await__()
        return self._obj  # type: ignore[no-any-return]

    async def __aenter__(self) -> _File:
        return await self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        opened, self._obj = self._obj, None
        await opened.close()


@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenTextMode = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: _Opener | None = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: None = None,
) -> Opening[TextFile]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenBinaryMode,
    buffering: Literal[0],
    encoding: None = None,
    errors: None = None,
    newline: None = None,
    closefd: bool = True,
    opener: _Opener | None = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: None = None,
) -> Opening[RawFile]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: OpenBinaryMode,
    buffering: Literal[-1, 1] = -1,
    encoding: None = None,
    errors: None = None,
    newline: None = None,
    closefd: bool = True,
    opener: _Opener | None = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: None = None,
) -> Opening[BinaryFile]: ...
@overload
def open(
    file: FileDescriptorOrPath,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: _Opener | None = None,
    *,
    loop: AbstractEventLoop | None = None,
    executor: Executor | None = None,
) -> Opening[Any]: ...
def open(
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: _Opener | None = None,
    *,
    loop: Any = None,
    executor: Executor | None = None,
) -> Opening[Any]:
    """Opens a file without blocking the loop: `async with open(path) as file`, or `await open(path)`.

    The arguments, and the errors, are those of Python's own `open`. What is in the page cache is read at
    once, the rest by threads that only files have; it works on any loop of asyncio's.

    Args:
        loop: the loop that runs; only for programs written for aiofiles.
        executor: who is to do all of it, each method in one of its threads, as with aiofiles.

    Raises:
        OSError: the file cannot be opened.
        ValueError: the arguments contradict each other.
    """
    return Opening(_open(file, mode, buffering, encoding, errors, newline, closefd, opener, loop, executor))


async def _open(
    file: Any,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    closefd: bool,
    opener: _Opener | None,
    loop: Any,
    executor: Executor | None,
) -> Any:
    from ironloop.files import threadpool

    arguments = (mode, buffering, encoding, errors, newline, closefd)
    if executor is not None or threadpool.sync_open is not _sync_open:
        made = await threadpool.in_thread(loop, executor, threadpool.sync_open, file, *arguments, opener)
        return threadpool.wrap(made, loop=loop, executor=executor)
    if isinstance(file, int):
        return wrapped(_sync_open(file, *arguments, opener), mode, newline)
    if opener is None and isinstance(mode, str) and not set("wax") & set(mode):
        try:
            return wrapped(_sync_open(file, *arguments, _open_now), mode, newline)
        except _NotNow:
            pass
    pool = workers.others if await workers.run(_is_pipe, file) else workers.disks
    made = await keeping(pool, _sync_open, file, *arguments, opener)
    return wrapped(made, mode, newline)


class _NotNow(Exception):
    """Somebody may have to be waited for."""


def _open_now(path: Any, flags: int) -> int:
    descriptor = _ironloop.open_now(os.fsdecode(path), flags)
    if descriptor is None:
        raise _NotNow
    return descriptor


def _is_pipe(file: Any) -> bool:
    """Whether to open it waits for somebody at the other end."""
    try:
        return stat.S_ISFIFO(os.stat(file).st_mode)
    except (OSError, ValueError, TypeError):
        return False


async def keeping(pool: workers.Workers, function: Callable[..., Any], /, *arguments: Any) -> Any:
    """In a thread. What it makes is closed if nobody is there any more to have it."""
    import asyncio

    abandoned = False

    def commit(made: Any) -> Any:
        if abandoned:
            made.close()
        return made

    call = pool.submit(asyncio.get_running_loop(), function, *arguments, commit=commit)
    try:
        return await call.future
    except asyncio.CancelledError:
        abandoned = True
        if not pool.drop(call) and not call.future.cancelled() and call.future.exception() is None:
            call.future.result().close()
        raise


def wrapped(
    opened: Any, mode: str, newline: str | None, closer: Callable[[], object] | None = None
) -> File | TextFile:
    """Our file in the place of one that Python has just opened, and that nobody has used."""
    if isinstance(opened, io.FileIO):
        return RawFile(opened, closer)
    if not isinstance(opened, io.TextIOWrapper):
        return BinaryFile(opened.detach(), closer)
    encoding, errors, by_lines = opened.encoding, opened.errors or "strict", opened.line_buffering
    raw: Any = opened.detach().detach()
    return TextFile(
        BinaryFile(raw, closer),
        encoding=encoding,
        errors=errors,
        newline=newline,
        line_buffering=by_lines,
        mode=mode,
    )
