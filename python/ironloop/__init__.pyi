from ironloop._ironloop import __version__ as __version__
from ironloop.loop import Loop as Loop
from ironloop.policy import EventLoopPolicy as EventLoopPolicy
from ironloop.runner import install as install
from ironloop.runner import new_event_loop as new_event_loop
from ironloop.runner import run as run
from ironloop.runner import uninstall as uninstall
from ironloop.taskgroups import TaskGroup as TaskGroup
from ironloop.timeouts import Timeout as Timeout
from ironloop.timeouts import timeout as timeout
from ironloop.timeouts import timeout_at as timeout_at
from ironloop.timeouts import wait_for as wait_for

__all__ = (
    "EventLoopPolicy",
    "Loop",
    "TaskGroup",
    "Timeout",
    "__version__",
    "install",
    "new_event_loop",
    "run",
    "timeout",
    "timeout_at",
    "uninstall",
    "wait_for",
)
