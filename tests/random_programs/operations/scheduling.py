"""Time, callbacks, threads, and coroutines that yield by themselves."""

from __future__ import annotations

import asyncio
import types
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from random_programs.arguments import BLOCK, CALLBACK, DELAY, FLAG, NUMBER, OneOf, Shared
from random_programs.operations import operation


@operation(DELAY, NUMBER, weight=5)
async def sleep(scope: Any, delay: float, result: int) -> Any:
    return await asyncio.sleep(delay, result)


@operation(weight=4)
async def give_way(scope: Any) -> Any:
    return await asyncio.sleep(0)


@operation(OneOf(None, None, 5, "text"), weight=0.5)
async def bare_yield(scope: Any, what: Any) -> Any:
    """Anything but None is an error that the task throws into its coroutine."""

    @types.coroutine
    def yielding() -> Any:
        return (yield what)

    return await yielding()


@operation(CALLBACK, FLAG, weight=2)
def call_soon(scope: Any, part: Any, own_context: bool) -> None:
    options = {"context": scope.world.context} if own_context else {}
    scope.world.handles.append(scope.world.loop.call_soon(part.call, **options))


@operation(CALLBACK)
def call_soon_threadsafe(scope: Any, part: Any) -> None:
    scope.world.handles.append(scope.world.loop.call_soon_threadsafe(part.call))


@operation(DELAY, CALLBACK, weight=2)
def call_later(scope: Any, delay: float, part: Any) -> Any:
    handle = scope.world.loop.call_later(delay, part.call)
    scope.world.handles.append(handle)
    return handle.when()


@operation(NUMBER, CALLBACK)
def call_at(scope: Any, when: int, part: Any) -> Any:
    handle = scope.world.loop.call_at(when, part.call)
    scope.world.handles.append(handle)
    return handle.when()


@operation(Shared("handles"), weight=2)
def cancel_handle(scope: Any, handle: Any) -> Any:
    if handle is None:
        return None
    before = handle.cancelled()
    handle.cancel()
    return before, handle.cancelled()


@operation(NUMBER)
def set_variable(scope: Any, value: int) -> None:
    scope.world.variable.set(value)


class AtOnce(ThreadPoolExecutor):
    """An executor whose threads are always faster than the loop: what it is given has run when it returns."""

    def submit(self, function: Any, /, *arguments: Any, **options: Any) -> Any:
        done: Future[Any] = Future()
        done.set_running_or_notify_cancel()
        try:
            done.set_result(function(*arguments, **options))
        except BaseException as error:
            done.set_exception(error)
        return done


@operation(FLAG)
async def to_thread(scope: Any, fails: bool) -> Any:
    def work() -> Any:
        return 1 // (not fails), scope.world.variable.get()

    return await asyncio.to_thread(work)


@operation(BLOCK, DELAY, FLAG)
async def run_coroutine_threadsafe(scope: Any, part: Any, delay: float, cancel: bool) -> Any:
    def ended(future: Any) -> None:
        scope.note("ended for the thread", future.cancelled() or repr(future.exception()))

    future = asyncio.run_coroutine_threadsafe(part.coroutine(), scope.world.loop)
    future.add_done_callback(ended)
    await asyncio.sleep(delay)
    return future.done(), cancel and future.cancel()
