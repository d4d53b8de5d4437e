"""Several awaitables at once, and what makes tasks: asyncio's functions of the same names.

On a loop of ironloop's these are native; where another loop runs, or none, asyncio's own are called.
`to_thread` and `run_coroutine_threadsafe` are asyncio's: a thread costs more than they do.
"""

from __future__ import annotations

from asyncio import run_coroutine_threadsafe, to_thread

from ironloop._ironloop import as_completed, create_task, ensure_future, gather, shield, wait

__all__ = (
    "as_completed",
    "create_task",
    "ensure_future",
    "gather",
    "run_coroutine_threadsafe",
    "shield",
    "to_thread",
    "wait",
)
