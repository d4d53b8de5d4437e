import asyncio
import sys
from asyncio import as_completed as as_completed
from asyncio import create_task as create_task
from asyncio import ensure_future as ensure_future
from asyncio import gather as gather
from asyncio import shield as shield
from asyncio import sleep as sleep
from asyncio import timeout as timeout
from asyncio import timeout_at as timeout_at
from asyncio import wait as wait
from asyncio import wait_for as wait_for
from asyncio.transports import _FlowControlMixin
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, final

from typing_extensions import disjoint_base

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_Class = TypeVar("_Class", bound=type)

__all__ = [
    "ConditionCore",
    "DatagramTransport",
    "EventCore",
    "Future",
    "Handle",
    "LockCore",
    "LoopCore",
    "PrimitiveCore",
    "QueueCore",
    "SemaphoreCore",
    "StreamReaderCore",
    "StreamReaderProtocolCore",
    "StreamTransport",
    "StreamWriterCore",
    "Task",
    "TimeoutCore",
    "TimerHandle",
    "__version__",
    "answer_by_name",
    "as_completed",
    "await_by",
    "create_task",
    "ensure_future",
    "gather",
    "misfit",
    "native_bounded_semaphore",
    "native_condition",
    "native_event",
    "native_lock",
    "native_loop",
    "native_queues",
    "native_semaphore",
    "native_streams",
    "native_task_group",
    "native_timeout",
    "notice_origin_tracking",
    "pending_tasks",
    "runs_elsewhere",
    "shield",
    "sleep",
    "stand_for",
    "timeout",
    "timeout_at",
    "wait",
    "wait_for",
]
if sys.version_info >= (3, 14):
    __all__ += ["ThreadSafeHandle"]

__version__: str
misfit: str | None

def answer_by_name(ours: bool) -> None: ...
def await_by(function: Callable[[Awaitable[object]], Awaitable[object]]) -> None: ...
def native_bounded_semaphore(class_: _Class, /) -> _Class: ...
def native_condition(class_: _Class, /) -> _Class: ...
def native_event(class_: _Class, /) -> _Class: ...
def native_lock(class_: _Class, /) -> _Class: ...
def native_loop(class_: _Class, /) -> _Class: ...
def native_queues(
    queue: type[asyncio.Queue[Any]],
    lifo: type[asyncio.LifoQueue[Any]],
    priority: type[asyncio.PriorityQueue[Any]],
) -> None: ...
def native_semaphore(class_: _Class, /) -> _Class: ...
def native_streams(reader: type, writer: type, protocol: type) -> None: ...
def native_task_group(class_: _Class, /) -> _Class: ...
def native_timeout(class_: _Class, /) -> _Class: ...
def notice_origin_tracking() -> None: ...
def pending_tasks() -> list[asyncio.Task[Any]]: ...
def runs_elsewhere() -> bool: ...
def stand_for(function: Callable[..., Any], stock: object) -> Callable[..., Any]: ...

@disjoint_base
class Future(asyncio.Future[_T]): ...

@disjoint_base
class Task(asyncio.Task[_T_co]):
    # A step, for asyncio's C code where it finds a waiting task among a future's callbacks.
    def __call__(self, /, *args: object, **kwargs: object) -> None: ...

@disjoint_base
class LoopCore:
    def __new__(cls, *_args: object, **_kwargs: object) -> LoopCore: ...
    def __setattr__(self, name: str, value: object, /) -> None: ...
    def __delattr__(self, name: str, /) -> None: ...
    def is_running(self) -> bool: ...
    def is_closed(self) -> bool: ...
    def get_debug(self) -> bool: ...
    def stop(self) -> None: ...

@disjoint_base
class PrimitiveCore: ...

class LockCore(PrimitiveCore): ...
class EventCore(PrimitiveCore): ...
class ConditionCore(PrimitiveCore): ...

@disjoint_base
class SemaphoreCore(PrimitiveCore): ...

@disjoint_base
class QueueCore:
    def __new__(cls, *_args: object, **_kwargs: object) -> QueueCore: ...

@disjoint_base
class StreamReaderCore:
    def __new__(cls, *_args: object, **_kwargs: object) -> StreamReaderCore: ...

@disjoint_base
class StreamReaderProtocolCore:
    def __new__(cls, *_args: object, **_kwargs: object) -> StreamReaderProtocolCore: ...

@disjoint_base
class StreamWriterCore:
    def __new__(cls, *_args: object, **_kwargs: object) -> StreamWriterCore: ...

@disjoint_base
class TimeoutCore: ...

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
