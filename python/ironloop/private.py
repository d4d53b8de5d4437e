"""The private names of asyncio that ironloop uses, and which of them are gone from the running Python.

Where one is gone, what would need it is asyncio's own, and a warning says so once: a patch release may rename
what it does not promise. What is laid out differently in the C structs of futures and tasks is found by
`_ironloop` (`misfit`), to the same effect. So here, too, is the switch between ironloop's own tasks, futures,
queues… and asyncio's.
"""

from __future__ import annotations

import asyncio  # noqa: F401 (all its modules, to be looked at)
import os
import sys
from typing import Any

from ironloop._ironloop import misfit

VARIABLE = "IRONLOOP_NATIVE"

# Module or class: its private names. What the loop needs:
_LOOP: dict[str, tuple[str, ...]] = {
    "asyncio.base_events": ("_check_ssl_socket", "_format_handle"),
    "asyncio.base_events.Server": ("_attach", "_detach"),
    "asyncio.constants": ("_SendfileMode",),
    "asyncio.events": ("_get_running_loop", "_set_running_loop"),
    "asyncio.events.Handle": ("_args", "_callback", "_cancelled", "_run", "_source_traceback"),
    "asyncio.format_helpers": ("_format_callback_source",),
    "asyncio.futures": ("_set_result_unless_cancelled",),
    "asyncio.runners.Runner": ("_lazy_init",),
    "asyncio.sslproto.SSLProtocol": ("_control_app_writing",),
    "asyncio.tasks": ("_enter_task", "_leave_task"),
    "asyncio.transports": ("_FlowControlMixin",),
    "asyncio.trsock": ("TransportSocket",),
    "asyncio.unix_events._UnixReadPipeTransport": ("_call_connection_lost",),
    "asyncio.unix_events._UnixWritePipeTransport": ("_call_connection_lost",),
    # Those that ours overrides are here too: under another name they would not be overridden.
    "asyncio.SelectorEventLoop": (
        "_add_callback",
        "_add_reader",
        "_asyncgen_finalizer_hook",
        "_asyncgen_firstiter_hook",
        "_check_callback",
        "_check_closed",
        "_check_running",
        "_check_thread",
        "_child_watcher_callback",
        "_close_self_pipe",
        "_ensure_fd_no_transport",
        "_getaddrinfo_debug",
        "_make_datagram_transport",
        "_make_read_pipe_transport",
        "_make_self_pipe",
        "_make_socket_transport",
        "_make_ssl_transport",
        "_make_subprocess_transport",
        "_make_write_pipe_transport",
        "_read_from_self",
        "_remove_reader",
        "_run_once",
        "_sendfile_native",
        "_set_coroutine_origin_tracking",
        "_start_serving",
        "_write_to_self",
    ),
}
# And what tasks, futures and all that waits needs beyond that:
_VOCABULARY: dict[str, tuple[str, ...]] = {
    "_asyncio": ("Future", "Task"),
    "asyncio.futures": ("_get_loop",),
    "asyncio.locks.Lock": ("_get_loop", "_wake_up_first"),
    "asyncio.locks.Semaphore": ("_get_loop", "_wake_up_next"),
    "asyncio.queues.Queue": ("_get", "_get_loop", "_init", "_put", "_wakeup_next"),
    "asyncio.streams.StreamReader": ("_maybe_resume_transport", "_wait_for_data", "_wakeup_waiter"),
    "asyncio.streams.StreamReaderProtocol": ("_stream_reader",),
    "asyncio.subprocess.Process": ("_feed_stdin", "_read_stream"),
    "asyncio.taskgroups.TaskGroup": ("_abort", "_on_task_done"),
    "asyncio.timeouts": ("_State",),
    "asyncio.timeouts.Timeout": ("_on_timeout",),
}
if sys.version_info >= (3, 14):
    _VOCABULARY["_asyncio"] += (
        "_register_task",
        "_swap_current_task",
        "current_task",
        "future_add_to_awaited_by",
        "future_discard_from_awaited_by",
    )
else:
    _VOCABULARY["_asyncio"] += ("_current_tasks",)
    _VOCABULARY["asyncio.tasks"] = ("_all_tasks" if sys.version_info < (3, 12) else "_scheduled_tasks",)
# Attributes that instances of classes in Python have from the beginning.
_ATTRIBUTES: dict[str, tuple[tuple[Any, ...], tuple[str, ...]]] = {
    "asyncio.locks.Condition": ((), ("_lock", "_waiters")),
    "asyncio.locks.Event": ((), ("_value", "_waiters")),
    "asyncio.locks.Lock": ((), ("_locked", "_waiters")),
    "asyncio.locks.Semaphore": ((), ("_value", "_waiters")),
    "asyncio.queues.Queue": (
        (),
        ("_finished", "_getters", "_maxsize", "_putters", "_queue", "_unfinished_tasks"),
    ),
    "asyncio.taskgroups.TaskGroup": (
        (),
        ("_aborting", "_entered", "_exiting", "_loop", "_on_completed_fut", "_parent_task", "_tasks"),
    ),
    "asyncio.timeouts.Timeout": ((None,), ("_state", "_task", "_timeout_handler", "_when")),
}


def _missing(path: str, names: tuple[str, ...], arguments: tuple[Any, ...] | None = None) -> list[str]:
    # All that is named here has been imported by asyncio itself.
    owner: Any = sys.modules.get(path)
    if owner is None:
        module, _, name = path.rpartition(".")
        owner = getattr(sys.modules.get(module), name, None)
    if arguments is not None:
        try:
            owner = owner(*arguments)
        except Exception:
            owner = None
    return [f"{path}.{name}" for name in names if not hasattr(owner, name)]


# What is gone, in words.
gone_from_loop = [name for path, names in _LOOP.items() for name in _missing(path, names)]
gone_from_vocabulary = [
    *gone_from_loop,
    *(name for path, names in _VOCABULARY.items() for name in _missing(path, names)),
    *(name for path, how in _ATTRIBUTES.items() for name in _missing(path, how[1], how[0])),
]
# Why the vocabulary cannot be ironloop's on this Python, in words; empty: it can.
obstacles = gone_from_vocabulary + ([f"another layout of futures and tasks ({misfit})"] if misfit else [])


def is_wanted(native: bool | None = None) -> bool:
    """Whether the vocabulary is ironloop's own: as the caller says, else unless `IRONLOOP_NATIVE=0`."""
    wanted = os.environ.get(VARIABLE, "1") != "0" if native is None else native
    return wanted and not obstacles
