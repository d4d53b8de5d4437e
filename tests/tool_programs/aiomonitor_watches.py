"""aiomonitor watches ironloop's tasks from asyncio's loop in another thread, and makes tasks itself."""

from __future__ import annotations

import asyncio
import sys

import aiomonitor
import ironloop


async def waits(queue: asyncio.Queue[None]) -> None:
    await queue.get()


async def main(hook: bool) -> None:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[None] = asyncio.Queue()
    before = asyncio.create_task(waits(queue), name="made before")
    options = {"port": 0, "webui_port": 0, "console_enabled": False, "hook_task_factory": hook}
    with aiomonitor.start_monitor(loop, **options) as monitor:
        after = asyncio.create_task(waits(queue), name="made after")
        await asyncio.sleep(0)
        assert isinstance(after, asyncio.Task)
        assert (type(after).__name__ == "TracedTask") == hook

        def shown() -> set[str]:
            return {task.name for task in monitor.format_running_task_list("", persistent=False)}

        # As its commands do it: from the loop of its own thread.
        assert {"made before", "made after"} <= await asyncio.to_thread(shown)
        theirs = monitor._ui_loop
        assert type(theirs).__module__.startswith("asyncio")
        for task in (before, after):
            assert monitor.format_running_task_stack(str(id(task)))
            cancelled = asyncio.run_coroutine_threadsafe(monitor.cancel_monitored_task(str(id(task))), theirs)
            await asyncio.wrap_future(cancelled)
            await asyncio.wait([task])
            assert task.cancelled()


hook = sys.argv[2] == "hook"
ironloop.run(main(hook)) if sys.argv[1] == "ironloop" else asyncio.run(main(hook))
print("watched")
