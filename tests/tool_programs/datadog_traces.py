"""Datadog's asyncio integration hands the active trace on to tasks, on ironloop as on asyncio.

It exchanges the code of `BaseEventLoop.create_task`.
"""

from __future__ import annotations

import asyncio
import contextvars

from ddtrace.contrib.internal.asyncio.patch import patch, unpatch
from ddtrace.trace import TraceFilter, tracer
from orders import come_and_go, is_ours


class Drop(TraceFilter):
    """No agent is there to take a trace."""

    def process_trace(self, trace: object) -> None:
        return None


tracer.configure(trace_processors=[Drop()])


async def child(queue: asyncio.Queue[int | None]) -> None:
    await asyncio.sleep(0)
    context = tracer.current_trace_context()
    await queue.put(context and context.span_id)


async def main() -> tuple[bool, bool]:
    """Whether this is ironloop, and whether a task of another context is in the trace of who made it."""
    queue: asyncio.Queue[int | None] = asyncio.Queue()
    with tracer.trace("parent") as span:
        async with asyncio.TaskGroup() as group:
            group.create_task(child(queue), context=contextvars.Context())
            await asyncio.create_task(child(queue), context=contextvars.Context())
        handed_on = {await queue.get() == span.span_id for _ in range(2)}
    assert len(handed_on) == 1
    return is_ours(), handed_on.pop()


def check(ours: bool, traced: bool) -> None:
    assert asyncio.run(main()) == (ours, traced)


come_and_go(patch, unpatch, check)
