"""Asynchronous generators: the loop closes those that are left unfinished."""

import asyncio
import gc
import sys

import pytest
from support import PATIENCE


def test_shutdown_asyncgens_closes_unfinished_generators(loop):
    closed = []

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    generator = numbers()

    async def main():
        assert await anext(generator) == 1

    loop.run_until_complete(main())
    assert closed == []
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert closed == ["closed"]


def test_an_abandoned_generator_is_closed_by_the_loop(run):
    closed = asyncio.Event()

    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.set()

    async def main():
        generator = numbers()
        await anext(generator)
        del generator
        gc.collect()
        async with asyncio.timeout(PATIENCE):
            await closed.wait()

    run(main)


def test_a_generator_that_raises_while_closing_is_reported(loop):
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))

    async def numbers():
        try:
            yield 1
        finally:
            raise KeyError("closing")

    generator = numbers()

    async def main():
        await anext(generator)

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert [type(context["exception"]) for context in contexts] == [KeyError]
    assert contexts[0]["asyncgen"] is generator


def test_a_generator_begun_after_the_shutdown_warns(loop):
    async def numbers():
        yield 1

    async def main():
        async for _ in numbers():
            pass

    loop.run_until_complete(loop.shutdown_asyncgens())
    with pytest.warns(ResourceWarning, match="was scheduled after loop.shutdown_asyncgens"):
        loop.run_until_complete(main())


def test_the_hooks_are_given_back_after_a_run(loop):
    before = sys.get_asyncgen_hooks()

    async def main():
        return sys.get_asyncgen_hooks()

    during = loop.run_until_complete(main())
    assert during.firstiter is not None
    assert during.finalizer is not None
    assert sys.get_asyncgen_hooks() == before
