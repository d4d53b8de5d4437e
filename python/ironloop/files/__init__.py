"""Files that do not block the loop: what is cached is read at once, the rest by threads of their own.

It works on any loop of asyncio's, and has what aiofiles has: `import ironloop.files as aiofiles`.
"""

from __future__ import annotations

from ironloop.files import os, ospath, tempfile, threadpool
from ironloop.files.file import BinaryFile, RawFile
from ironloop.files.opening import open
from ironloop.files.os import (
    chmod,
    link,
    listdir,
    lstat,
    makedirs,
    mkdir,
    readlink,
    remove,
    removedirs,
    rename,
    renames,
    replace,
    rmdir,
    scandir,
    stat,
    statvfs,
    symlink,
    unlink,
    utime,
)
from ironloop.files.text import TextFile
from ironloop.files.threadpool import stderr, stderr_bytes, stdin, stdin_bytes, stdout, stdout_bytes, wrap
from ironloop.files.watching import Change, Kind, Watch, watch
from ironloop.files.whole import copy, read_bytes, read_text, write_bytes, write_text

__all__ = [
    "BinaryFile",
    "Change",
    "Kind",
    "RawFile",
    "TextFile",
    "Watch",
    "chmod",
    "copy",
    "link",
    "listdir",
    "lstat",
    "makedirs",
    "mkdir",
    "open",
    "os",
    "ospath",
    "read_bytes",
    "read_text",
    "readlink",
    "remove",
    "removedirs",
    "rename",
    "renames",
    "replace",
    "rmdir",
    "scandir",
    "stat",
    "statvfs",
    "stderr",
    "stderr_bytes",
    "stdin",
    "stdin_bytes",
    "stdout",
    "stdout_bytes",
    "symlink",
    "tempfile",
    "threadpool",
    "unlink",
    "utime",
    "watch",
    "wrap",
    "write_bytes",
    "write_text",
]
