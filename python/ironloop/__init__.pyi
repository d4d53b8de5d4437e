from asyncio import LifoQueue as LifoQueue
from asyncio import PriorityQueue as PriorityQueue
from asyncio import Queue as Queue
from asyncio import sleep as sleep
from asyncio import timeout as timeout
from asyncio import timeout_at as timeout_at
from asyncio import wait_for as wait_for
from asyncio.timeouts import Timeout as Timeout

from ironloop._ironloop import __version__ as __version__
from ironloop.combinators import as_completed as as_completed
from ironloop.combinators import create_task as create_task
from ironloop.combinators import ensure_future as ensure_future
from ironloop.combinators import gather as gather
from ironloop.combinators import run_coroutine_threadsafe as run_coroutine_threadsafe
from ironloop.combinators import shield as shield
from ironloop.combinators import to_thread as to_thread
from ironloop.combinators import wait as wait
from ironloop.loop import Loop as Loop
from ironloop.policy import EventLoopPolicy as EventLoopPolicy
from ironloop.runner import Runner as Runner
from ironloop.runner import install as install
from ironloop.runner import new_event_loop as new_event_loop
from ironloop.runner import run as run
from ironloop.runner import uninstall as uninstall

__all__ = (
    "EventLoopPolicy",
    "LifoQueue",
    "Loop",
    "PriorityQueue",
    "Queue",
    "Runner",
    "Timeout",
    "__version__",
    "as_completed",
    "create_task",
    "ensure_future",
    "gather",
    "install",
    "new_event_loop",
    "run",
    "run_coroutine_threadsafe",
    "shield",
    "sleep",
    "timeout",
    "timeout_at",
    "to_thread",
    "uninstall",
    "wait",
    "wait_for",
)
