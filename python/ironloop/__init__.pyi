from asyncio import sleep as sleep

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
    "Loop",
    "Runner",
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
    "to_thread",
    "uninstall",
    "wait",
)
