"""Futures that belong to nobody."""

from __future__ import annotations

import asyncio
from typing import Any

from random_programs.arguments import CALLBACK, FLAG, MESSAGE, NUMBER, OneOf, Place, Shared
from random_programs.operations import operation
from random_programs.operations.tasks import watch

FUTURE = Shared("futures")
ERRORS = {
    "value": lambda: ValueError("a value"),
    "class": lambda: KeyError,
    "stop": lambda: StopIteration("stop"),
    "cancelled": lambda: asyncio.CancelledError("by hand"),
}


@operation(FUTURE, weight=4)
async def await_future(scope: Any, future: Any) -> Any:
    return await future


@operation(FUTURE, NUMBER, weight=3, helps=True)
def set_result(scope: Any, future: Any, result: int) -> Any:
    return future.set_result(result)


@operation(FUTURE, OneOf(*ERRORS), helps=True)
def set_exception(scope: Any, future: Any, kind: str) -> Any:
    return future.set_exception(ERRORS[kind]())


@operation(FUTURE, MESSAGE)
def cancel_future(scope: Any, future: Any, message: str | None) -> Any:
    return future.cancel() if message is None else future.cancel(msg=message)


@operation(FUTURE)
def inspect_future(scope: Any, future: Any) -> Any:
    scope.note("sees", (future.done(), future.cancelled()))
    return future.exception() or future.result()


@operation(FUTURE, CALLBACK, FLAG)
def watch_future(scope: Any, future: Any, part: Any, own_context: bool) -> Any:
    return watch(scope, future, part, own_context)


@operation(FUTURE, Shared("callbacks"), weight=0.5)
def unwatch_future(scope: Any, future: Any, callback: Any) -> Any:
    return future.remove_done_callback(callback)


@operation(Place("futures"), weight=2)
def renew_future(scope: Any, place: int) -> None:
    scope.world.futures[place] = scope.world.loop.create_future()
