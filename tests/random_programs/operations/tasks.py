"""Tasks: made, awaited, cancelled, looked at."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from typing import Any

from random_programs.arguments import (
    BLOCK,
    CALLBACK,
    FLAG,
    MESSAGE,
    NUMBER,
    TASK,
    TASK_TO_AWAIT,
    OneOf,
    Shared,
)
from random_programs.operations import operation

WAYS = ["create_task", "create_task", "loop.create_task", "ensure_future", "Task"]
if sys.version_info >= (3, 12):
    WAYS += ["eager", "eager_task_factory"]


def make(scope: Any, part: Any, way: str, **options: Any) -> Any:
    loop, coroutine = scope.world.loop, part.coroutine()
    try:
        match way:
            case "create_task":
                task = asyncio.create_task(coroutine, **options)
            case "loop.create_task":
                task = loop.create_task(coroutine, **options)
            case "ensure_future":
                task = asyncio.ensure_future(coroutine)
            case "Task":
                task = asyncio.Task(coroutine, loop=loop, **options)
            case "eager":
                task = asyncio.Task(coroutine, loop=loop, eager_start=True, **options)
            case "eager_task_factory":
                task = asyncio.eager_task_factory(loop, coroutine, **options)
    except BaseException:
        coroutine.close()
        raise
    scope.world.register(task, part.scope.path)
    return task


@operation(BLOCK, OneOf(*WAYS), FLAG, FLAG, weight=6)
async def spawn(scope: Any, part: Any, way: str, named: bool, own_context: bool) -> Any:
    options: dict[str, Any] = {"name": part.scope.path} if named else {}
    if own_context and not way.startswith("eager"):
        options["context"] = scope.world.context
    return make(scope, part, way, **options)


@operation(TASK_TO_AWAIT, weight=3)
async def await_task(scope: Any, task: Any) -> Any:
    return "none" if task is None else await task


@operation(weight=0.3)
async def await_oneself(scope: Any) -> Any:
    return await asyncio.current_task()


@operation(TASK, MESSAGE, weight=4, helps=True)
def cancel(scope: Any, task: Any, message: str | None) -> Any:
    return task, task.cancel() if message is None else task.cancel(message)


@operation(MESSAGE)
async def cancel_oneself(scope: Any, message: str | None) -> Any:
    return asyncio.current_task().cancel(message)


@operation(TASK)
def uncancel(scope: Any, task: Any) -> Any:
    return task, task.uncancel(), task.cancelling()


@operation(weight=2)
async def uncancel_oneself(scope: Any) -> Any:
    return asyncio.current_task().uncancel()


@operation(TASK, weight=2)
def inspect_task(scope: Any, task: Any) -> Any:
    known = task, task.get_name(), task.done(), task.cancelled(), task.cancelling()
    scope.note("sees", known)
    return task.exception() or task.result()


@operation(TASK, NUMBER, weight=0.5)
def rename(scope: Any, task: Any, number: int) -> Any:
    task.set_name(f"name {number}")
    return task.get_name()


@operation(TASK, CALLBACK, FLAG)
def watch_task(scope: Any, task: Any, part: Any, own_context: bool) -> Any:
    return watch(scope, task, part, own_context)


@operation(TASK, Shared("callbacks"), weight=0.5)
def unwatch_task(scope: Any, task: Any, callback: Any) -> Any:
    return task.remove_done_callback(callback)


def watch(scope: Any, future: Any, part: Any, own_context: bool) -> Any:
    def callback(ended: Any) -> None:
        assert ended is future
        part.call()

    scope.world.callbacks.append(callback)
    if own_context:
        return future.add_done_callback(callback, context=contextvars.Context())
    return future.add_done_callback(callback)


@operation(weight=0.5)
def look_around(scope: Any) -> Any:
    return len(asyncio.all_tasks()), asyncio.current_task()
