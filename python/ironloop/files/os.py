"""Functions of `os` on paths, each in a thread that only files have. (aiofiles: os)"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from ironloop.files import workers

_P = ParamSpec("_P")
_T = TypeVar("_T")


def wrap(function: Callable[_P, _T]) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """The same function to be awaited, in a thread; in the executor's if `executor` is given."""

    @functools.wraps(function)
    async def run(*args: Any, loop: Any = None, executor: Any = None, **kwargs: Any) -> Any:
        call = functools.partial(function, *args, **kwargs)
        if executor is None:
            return await workers.run(call)
        return await (loop or asyncio.get_running_loop()).run_in_executor(executor, call)

    return run


from ironloop.files import ospath as path  # noqa: E402  (it is made by `wrap`)

access = wrap(os.access)
chmod = wrap(os.chmod)
getcwd = wrap(os.getcwd)
link = wrap(os.link)
listdir = wrap(os.listdir)
lstat = wrap(os.lstat)
makedirs = wrap(os.makedirs)
mkdir = wrap(os.mkdir)
readlink = wrap(os.readlink)
remove = wrap(os.remove)
removedirs = wrap(os.removedirs)
rename = wrap(os.rename)
renames = wrap(os.renames)
replace = wrap(os.replace)
rmdir = wrap(os.rmdir)
scandir = wrap(os.scandir)
sendfile = wrap(os.sendfile)
stat = wrap(os.stat)
statvfs = wrap(os.statvfs)
symlink = wrap(os.symlink)
unlink = wrap(os.unlink)
utime = wrap(os.utime)

__all__ = [
    "access",
    "chmod",
    "getcwd",
    "link",
    "listdir",
    "lstat",
    "makedirs",
    "mkdir",
    "path",
    "readlink",
    "remove",
    "removedirs",
    "rename",
    "renames",
    "replace",
    "rmdir",
    "scandir",
    "sendfile",
    "stat",
    "statvfs",
    "symlink",
    "unlink",
    "utime",
    "wrap",
]
