"""Whole files, in one step: a thread's, or none if the file is small and cached."""

from __future__ import annotations

import io
import os
import shutil
from typing import TYPE_CHECKING, Any

from ironloop import _ironloop
from ironloop.files import workers
from ironloop.files.turns import turn_of_the_loop

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrOrBytesPath, StrPath


async def read_bytes(path: StrOrBytesPath) -> bytes:
    """All that is in a file.

    Raises:
        OSError: the file cannot be opened or read.
    """
    data = await _cached(path)
    return data if data is not None else await workers.run(_read, path)


async def read_text(
    path: StrOrBytesPath,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> str:
    """All the text that is in a file; encoding, errors and newline are those of `open`.

    Raises:
        OSError: the file cannot be opened or read.
        UnicodeDecodeError: it is no such text.
    """
    encoding = io.text_encoding(encoding)
    data = await _cached(path)
    if data is None:
        return await workers.run(_read_text, path, encoding, errors, newline)  # type: ignore[no-any-return]
    return io.TextIOWrapper(io.BytesIO(data), encoding, errors, newline).read()


async def write_bytes(path: StrOrBytesPath, data: ReadableBuffer, *, sync: bool = False) -> int:
    """Makes a file of the bytes, in the place of one that is there. How many.

    Args:
        sync: return when the disk has them.

    Raises:
        OSError: the file cannot be written. `characters_written` says how many bytes it has.
    """
    return await workers.run(_write, path, data, sync)  # type: ignore[no-any-return]


async def write_text(
    path: StrOrBytesPath,
    text: str,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    *,
    sync: bool = False,
) -> int:
    """Makes a file of the text, in the place of one that is there. How many characters.

    Raises:
        OSError: as `write_bytes`.
        UnicodeEncodeError: the encoding has no such character; then nothing was done.
    """
    if not isinstance(text, str):
        raise TypeError(f"data must be str, not {type(text).__name__}")
    encoded = io.BytesIO()
    with io.TextIOWrapper(encoded, io.text_encoding(encoding), errors, newline) as file:
        file.write(text)
        file.flush()
        data = encoded.getvalue()
    await workers.run(_write, path, data, sync)
    return len(text)


async def copy(source: StrPath, target: StrPath, *, follow_symlinks: bool = True) -> Any:
    """Copies a file and its mode; the target may be a folder. Where the copy is. (`shutil.copy`)"""
    return await workers.run(_copy, source, target, follow_symlinks)


async def _cached(path: StrOrBytesPath) -> bytes | None:
    """What is in a file that is small and cached; who has read on and on lets the loop turn before."""
    name = os.fsdecode(path)
    if not _ironloop.may_read_now():
        await turn_of_the_loop()
    return _ironloop.read_file_now(name)


def _copy(source: Any, target: Any, follow_symlinks: bool) -> Any:
    return shutil.copy(source, target, follow_symlinks=follow_symlinks)


def _read(path: Any) -> bytes:
    with open(path, "rb", 0) as file:
        return file.read()


def _read_text(path: Any, encoding: str, errors: str | None, newline: str | None) -> str:
    with open(path, encoding=encoding, errors=errors, newline=newline) as file:
        return file.read()


def _write(path: Any, data: Any, sync: bool) -> int:
    with open(path, "wb", 0) as file:
        written, error = _ironloop.write_all(file.fileno(), data, None)
        if error is not None:
            error.characters_written = written  # type: ignore[attr-defined]
            raise error
        if sync:
            os.fsync(file.fileno())
        return written
