"""What a process holds: counted after a collection."""

from __future__ import annotations

import asyncio
import collections
import ctypes
import gc
import os
import re
import socket
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

Counts = dict[str, int]

TYPES: dict[str, type | tuple[type, ...]] = {
    "transports": asyncio.BaseTransport,
    "protocols": asyncio.BaseProtocol,
    "stream readers and writers": (asyncio.StreamReader, asyncio.StreamWriter),
    "servers": asyncio.AbstractServer,
    "sockets": socket.socket,
    "TLS objects": (ssl.SSLObject, ssl.SSLContext, ssl.SSLSession),
    "handles": asyncio.Handle,
    "futures": asyncio.Future,
    "exceptions": BaseException,
    "loops": asyncio.AbstractEventLoop,
}


def descriptors() -> Counts:
    """How many of each kind are open."""
    counts: collections.Counter[str] = collections.Counter()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            # The descriptor by which the folder was listed.
            continue
        kind = _socket(int(name)) if target.startswith("socket:") else re.sub(r":\[\d+\]", "", target)
        counts[f"descriptors: {kind}"] += 1
    return dict(counts)


def _socket(descriptor: int) -> str:
    """Its family and type."""
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        return f"{getattr(copy.family, 'name', copy.family)} {getattr(copy.type, 'name', copy.type)}"


def threads() -> Counts:
    """By the operating system, because not every thread is Python's."""
    return {"threads": len(os.listdir("/proc/self/task"))}


def children() -> Counts:
    """Processes, zombies too, whose parent is this one."""
    lists = Path("/proc/self/task").glob("*/children")
    return {"child processes": sum(len(path.read_text().split()) for path in lists)}


def objects() -> Counts:
    """Living objects of the types above, and tasks by asyncio's own account."""
    living = gc.get_objects()
    counts: Counts = dict.fromkeys((f"objects: {name}" for name in TYPES), 0)
    for kind, count in collections.Counter(map(type, living)).items():
        for name, wanted in TYPES.items():
            if issubclass(kind, wanted):
                counts[f"objects: {name}"] += count
    # A cancelled timer of stock asyncio stays in its heap for a while, but holds nothing.
    handles = [item for item in living if isinstance(item, asyncio.Handle)]
    counts["objects: handles"] = sum(not handle.cancelled() for handle in handles)
    counts["tasks"] = len(asyncio.all_tasks())
    counts["threads: Python's"] = threading.active_count()
    return counts


def counts() -> Counts:
    """All that must be the same again, after a collection."""
    gc.collect()
    return {**descriptors(), **threads(), **children(), **objects()}


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def _native_heap() -> int | None:
    """Bytes that C and Rust hold in glibc's heap; None with another C library."""
    try:
        mallinfo2: Any = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return None
    mallinfo2.restype = _Mallinfo2
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd)


def memory() -> Counts:
    """Bytes: resident, in the C library's heap; and Python's own blocks."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    amounts = {"memory: resident": resident, "memory: Python's blocks": sys.getallocatedblocks()}
    if (native := _native_heap()) is not None:
        amounts["memory: native heap"] = native
    return amounts
