import sys
from asyncio import as_completed as as_completed
from asyncio import create_task as create_task
from asyncio import ensure_future as ensure_future
from asyncio import gather as gather
from asyncio import run_coroutine_threadsafe as run_coroutine_threadsafe
from asyncio import shield as shield
from asyncio import sleep as sleep
from asyncio import to_thread as to_thread
from asyncio import wait as wait

from ironloop import files as files
from ironloop._ironloop import Future as Future
from ironloop._ironloop import Task as Task
from ironloop._ironloop import VirtualClock as VirtualClock
from ironloop._ironloop import __version__ as __version__
from ironloop._ironloop import tls_path as tls_path
from ironloop.blocked import Blocked as Blocked
from ironloop.blocked import add_blocked_callback as add_blocked_callback
from ironloop.blocked import remove_blocked_callback as remove_blocked_callback
from ironloop.files import open as open
from ironloop.locks import Barrier as Barrier
from ironloop.locks import BoundedSemaphore as BoundedSemaphore
from ironloop.locks import Condition as Condition
from ironloop.locks import Event as Event
from ironloop.locks import Lock as Lock
from ironloop.locks import Semaphore as Semaphore
from ironloop.loop import Loop as Loop
from ironloop.metrics import Histogram as Histogram
from ironloop.metrics import Metrics as Metrics
from ironloop.policy import EventLoopPolicy as EventLoopPolicy
from ironloop.process import Process as Process
from ironloop.queues import LifoQueue as LifoQueue
from ironloop.queues import PriorityQueue as PriorityQueue
from ironloop.queues import Queue as Queue
from ironloop.queues import QueueEmpty as QueueEmpty
from ironloop.queues import QueueFull as QueueFull
from ironloop.runner import Runner as Runner
from ironloop.runner import install as install
from ironloop.runner import new_event_loop as new_event_loop
from ironloop.runner import run as run
from ironloop.runner import uninstall as uninstall
from ironloop.simulator import Simulation as Simulation
from ironloop.simulator import simulate as simulate
from ironloop.simulator import simulation as simulation
from ironloop.streams import StreamReader as StreamReader
from ironloop.streams import StreamReaderProtocol as StreamReaderProtocol
from ironloop.streams import StreamWriter as StreamWriter
from ironloop.streams import open_connection as open_connection
from ironloop.streams import open_unix_connection as open_unix_connection
from ironloop.streams import start_server as start_server
from ironloop.streams import start_unix_server as start_unix_server
from ironloop.taskgroups import TaskGroup as TaskGroup
from ironloop.timeouts import Timeout as Timeout
from ironloop.timeouts import timeout as timeout
from ironloop.timeouts import timeout_at as timeout_at
from ironloop.timeouts import wait_for as wait_for
from ironloop.watching import RustTask as RustTask
from ironloop.watching import TaskState as TaskState
from ironloop.watching import deadlocks as deadlocks
from ironloop.watching import flight_recorder as flight_recorder
from ironloop.watching import rust_tasks as rust_tasks
from ironloop.watching import snapshot as snapshot
from ironloop.watching import tasks as tasks
from ironloop.watching import watch as watch

__all__ = [
    "Barrier",
    "Blocked",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "EventLoopPolicy",
    "Future",
    "LifoQueue",
    "Lock",
    "Loop",
    "PriorityQueue",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "Runner",
    "Semaphore",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "Task",
    "TaskGroup",
    "Timeout",
    "VirtualClock",
    "__version__",
    "add_blocked_callback",
    "as_completed",
    "create_task",
    "ensure_future",
    "gather",
    "install",
    "new_event_loop",
    "open_connection",
    "open_unix_connection",
    "remove_blocked_callback",
    "run",
    "run_coroutine_threadsafe",
    "shield",
    "sleep",
    "start_server",
    "start_unix_server",
    "timeout",
    "timeout_at",
    "tls_path",
    "to_thread",
    "uninstall",
    "wait",
    "wait_for",
]
if sys.version_info >= (3, 13):
    from ironloop.queues import QueueShutDown as QueueShutDown

    __all__ += ["QueueShutDown"]
