"""Errors, clean-up, and asynchronous generators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from random_programs.arguments import BLOCK, DELAY, FLAG, NUMBER, OneOf
from random_programs.operations import operation


class Odd(BaseException):
    """Neither an error nor a cancellation."""


@operation(OneOf("value", "odd", "cancelled", "timeout", "stop"), NUMBER, weight=2)
def fail(scope: Any, kind: str, number: int) -> None:
    match kind:
        case "value":
            raise ValueError(number)
        case "odd":
            raise Odd(number)
        case "cancelled":
            raise asyncio.CancelledError(number)
        case "timeout":
            raise TimeoutError(number)
        case "stop":
            raise StopIteration(number)


@operation(BLOCK, BLOCK, weight=3)
async def finish(scope: Any, part: Any, cleanup: Any) -> Any:
    try:
        return await part.run()
    finally:
        scope.note("cleans up", await cleanup.run())


@operation(BLOCK, BLOCK, weight=2)
async def catch_cancellation(scope: Any, part: Any, handler: Any) -> Any:
    try:
        return await part.run()
    except asyncio.CancelledError as error:
        scope.note("caught", error)
        return await handler.run()


@operation(BLOCK, BLOCK, DELAY, NUMBER, FLAG, weight=2)
async def generate(scope: Any, part: Any, consumer: Any, delay: float, stop: int, close: bool) -> Any:
    """Iterates over an asynchronous generator, leaves it early, and closes it or lets the loop do it."""

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(3):
                await part.again(number).run()
                yield number
        finally:
            scope.note("generator ends")
            await asyncio.sleep(delay)
            scope.note("generator has ended")

    generator = numbers()
    try:
        async for number in generator:
            await consumer.again(number).run()
            if number == stop:
                break
    except (Exception, asyncio.CancelledError, Odd):
        # When the loop would do it, is up to who keeps the traceback.
        await generator.aclose()
        raise
    if close:
        await generator.aclose()
    return "left"
