import sys

from ironloop._ironloop import __version__ as __version__
from ironloop.loop import Loop as Loop
from ironloop.policy import EventLoopPolicy as EventLoopPolicy
from ironloop.queues import LifoQueue as LifoQueue
from ironloop.queues import PriorityQueue as PriorityQueue
from ironloop.queues import Queue as Queue
from ironloop.queues import QueueEmpty as QueueEmpty
from ironloop.queues import QueueFull as QueueFull
from ironloop.runner import install as install
from ironloop.runner import new_event_loop as new_event_loop
from ironloop.runner import run as run
from ironloop.runner import uninstall as uninstall

__all__ = [
    "EventLoopPolicy",
    "LifoQueue",
    "Loop",
    "PriorityQueue",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "__version__",
    "install",
    "new_event_loop",
    "run",
    "uninstall",
]
if sys.version_info >= (3, 13):
    from ironloop.queues import QueueShutDown as QueueShutDown

    __all__ += ["QueueShutDown"]
