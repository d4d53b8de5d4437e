import asyncio
import sys
from asyncio import as_completed as as_completed
from asyncio import create_task as create_task
from asyncio import ensure_future as ensure_future
from asyncio import gather as gather
from asyncio import shield as shield
from asyncio import sleep as sleep
from asyncio import wait as wait
from asyncio.transports import _FlowControlMixin
from typing import Any, TypeVar, final
from asyncio import timeout as timeout
from asyncio import timeout_at as timeout_at
from asyncio import wait_for as wait_for
from asyncio.transports import _FlowControlMixin
from collections.abc import Awaitable, Callable
from typing import TypeVar, final

from typing_extensions import disjoint_base

_Class = TypeVar("_Class", bound=type)

__all__ = [
    "DatagramTransport",
    "Handle",
    "LoopCore",
    "QueueCore",
    "StreamReaderCore",
    "StreamReaderProtocolCore",
    "StreamTransport",
    "StreamWriterCore",
    "TimerHandle",
    "__version__",
    "equip_queues",
    "native_methods",
    "runs_elsewhere",
    "as_completed",
    "create_task",
    "ensure_future",
    "gather",
    "native_methods",
    "shield",
    "sleep",
    "wait",
    "equip_streams",
    "native_methods",
    "runs_elsewhere",
    "TimeoutCore",
    "TimerHandle",
    "__version__",
    "await_by",
    "equip_task_group",
    "equip_timeout",
    "native_methods",
    "timeout",
    "timeout_at",
    "wait_for",
]
if sys.version_info >= (3, 14):
    __all__ += ["ThreadSafeHandle"]

__version__: str

def equip_queues(
    queue: type[asyncio.Queue[Any]],
    lifo: type[asyncio.LifoQueue[Any]],
    priority: type[asyncio.PriorityQueue[Any]],
) -> None: ...
def equip_streams(reader: type, writer: type, protocol: type, /) -> None: ...
def native_methods(class_: _Class, /) -> _Class: ...
def runs_elsewhere() -> bool: ...
def equip_timeout(class_: _Class, /) -> _Class: ...
def equip_task_group(class_: _Class, /) -> _Class: ...
def await_by(awaited: Callable[[Awaitable[object]], Awaitable[object]], /) -> None: ...

@disjoint_base
class TimeoutCore: ...

@disjoint_base
class LoopCore:
    def __new__(cls, *_args: object, **_kwargs: object) -> LoopCore: ...
    def is_running(self) -> bool: ...
    def is_closed(self) -> bool: ...
    def get_debug(self) -> bool: ...
    def stop(self) -> None: ...

@disjoint_base
class QueueCore:
    def __new__(cls, *_args: object, **_kwargs: object) -> QueueCore: ...
class StreamReaderCore:
    def __new__(cls, *_args: object, **_kwargs: object) -> StreamReaderCore: ...

@disjoint_base
class StreamReaderProtocolCore:
    def __new__(cls, *_args: object, **_kwargs: object) -> StreamReaderProtocolCore: ...

@disjoint_base
class StreamWriterCore:
    def __new__(cls, *_args: object, **_kwargs: object) -> StreamWriterCore: ...

@final
class Handle(asyncio.Handle): ...

@final
class TimerHandle(asyncio.TimerHandle): ...

if sys.version_info >= (3, 14):
    @final
    class ThreadSafeHandle(asyncio.Handle): ...

@final
class StreamTransport(_FlowControlMixin): ...

@final
class DatagramTransport(_FlowControlMixin, asyncio.DatagramTransport):
    max_size: int
