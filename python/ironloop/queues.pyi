import asyncio
import sys
from asyncio import QueueEmpty as QueueEmpty
from asyncio import QueueFull as QueueFull
from typing import TypeVar

from _typeshed import SupportsRichComparisonT

from ironloop._ironloop import QueueCore
from ironloop.stand_in import StandIn

_T = TypeVar("_T")

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull"]
if sys.version_info >= (3, 13):
    from asyncio import QueueShutDown as QueueShutDown

    __all__ += ["QueueShutDown"]

class Queue(QueueCore, asyncio.Queue[_T], metaclass=StandIn):
    def __init__(self, maxsize: int = 0) -> None: ...

class LifoQueue(Queue[_T], asyncio.LifoQueue[_T]):
    def __init__(self, maxsize: int = 0) -> None: ...

class PriorityQueue(Queue[SupportsRichComparisonT], asyncio.PriorityQueue[SupportsRichComparisonT]):
    def __init__(self, maxsize: int = 0) -> None: ...
