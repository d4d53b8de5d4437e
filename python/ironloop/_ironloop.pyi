import asyncio
import sys
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
    "StreamTransport",
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

def native_methods(class_: _Class, /) -> _Class: ...
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
