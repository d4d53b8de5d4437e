"""`asyncio.Future(…)`, called by its name: what it takes, what it refuses, and whose futures it makes."""

import asyncio
import contextlib
import functools
import gc
import inspect
import threading
import weakref
from asyncio import Future as imported_before

import pytest
from conftest import needs_ironloop
from support import PATIENCE


def test_each_way_to_call_it(run):
    async def main():
        loop = asyncio.get_running_loop()
        futures = [
            asyncio.Future(),
            asyncio.Future(loop=loop),
            asyncio.Future(loop=None),
            asyncio.Future(**{"loop": loop}),
            functools.partial(asyncio.Future, loop=loop)(),
            asyncio.futures.Future(),
            imported_before(),
        ]
        for number, future in enumerate(futures):
            assert isinstance(future, asyncio.Future) and asyncio.isfuture(future) and not future.done()
            assert future.get_loop() is loop
            loop.call_soon(future.set_result, number)
        assert await asyncio.gather(*futures) == list(range(len(futures)))

    run(main)


def test_what_becomes_of_one(run):
    async def main():
        told = []
        future = asyncio.Future()
        future.add_done_callback(told.append)
        future.set_exception(LookupError())
        with pytest.raises(LookupError):
            await future
        await asyncio.sleep(0)
        assert told == [future]
        cancelled = asyncio.Future()
        assert cancelled.cancel("why") and cancelled.cancelled()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        with pytest.raises(asyncio.InvalidStateError):
            asyncio.Future().result()

    run(main)


def test_what_it_refuses(run):
    async def main():
        loop = asyncio.get_running_loop()
        for arguments, keywords in [((loop,), {}), ((), {"no_such": 1}), ((), {"loop": loop, "name": "x"})]:
            with pytest.raises(TypeError):
                asyncio.Future(*arguments, **keywords)

    run(main)


def test_no_loop_runs(loop_factory):
    with contextlib.closing(loop_factory()) as loop:
        future = asyncio.Future(loop=loop)
        loop.call_soon(future.set_result, 42)
        assert loop.run_until_complete(future) == 42


def test_a_class_below_it_is_what_it_is(run):
    class Mine(asyncio.Future):
        def __init__(self, *, label, **keywords):
            super().__init__(**keywords)
            self.label = label

    class Made(Mine):
        def __new__(cls, *arguments, **keywords):
            return super().__new__(cls, *arguments, **keywords)

    async def main():
        loop = asyncio.get_running_loop()
        for kind in (Mine, Made):
            future = kind(label="mine", loop=loop)
            assert type(future) is kind and future.label == "mine"
            loop.call_soon(future.set_result, kind)
            assert await future is kind

    run(main)


def test_it_is_collected_with_what_it_leads_to(run):
    async def main():
        future = asyncio.Future()
        future.mine = future
        future.add_done_callback(functools.partial(print, future))
        gone = weakref.ref(future)
        del future
        gc.collect()
        assert gone() is None

    run(main)


# What asyncio has nothing of.


@needs_ironloop
def test_its_futures_are_ironloops_on_a_loop_of_ironloops_that_is_native():
    import ironloop

    async def main(wanted):
        loop = asyncio.get_running_loop()
        for debug in (False, True):
            loop.set_debug(debug)
            for future in (asyncio.Future(), asyncio.Future(loop=loop)):
                assert type(future) is wanted
                assert bool(future._source_traceback) is debug

    ironloop.run(main(ironloop.Future))
    ironloop.run(main(asyncio.Future), native=False)
    with contextlib.closing(asyncio.SelectorEventLoop()) as loop:
        assert type(asyncio.Future(loop=loop)) is asyncio.Future


@needs_ironloop
def test_the_class_stays_what_it_is_under_its_name():
    import ironloop

    stock, signature = asyncio.Future, inspect.signature(asyncio.Future)

    async def main():
        assert asyncio.Future is asyncio.futures.Future is imported_before is stock
        assert inspect.signature(asyncio.Future) == signature
        assert asyncio.Future[int].__origin__ is stock
        # Past the name.
        assert type(type.__call__(asyncio.Future)) is stock

    ironloop.run(main())


@needs_ironloop
def test_other_loops_have_asyncios_in_the_meantime_and_after():
    import ironloop

    async def kinds():
        loop = asyncio.get_running_loop()
        return {type(asyncio.Future()), type(asyncio.Future(loop=loop)), type(loop.create_future())}

    def stock():
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(kinds())

    async def main():
        return await asyncio.gather(kinds(), asyncio.to_thread(stock))

    assert ironloop.run(main()) == [{ironloop.Future}, {asyncio.Future}]
    assert stock() == {asyncio.Future}


@needs_ironloop
def test_another_thread_makes_asyncios_for_a_loop_that_runs():
    import ironloop

    async def main():
        loop, found = asyncio.get_running_loop(), []
        thread = threading.Thread(target=lambda: found.append(asyncio.Future(loop=loop)))
        thread.start()
        thread.join(PATIENCE)
        assert type(found[0]) is asyncio.Future

    ironloop.run(main())
