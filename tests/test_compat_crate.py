"""An extension module that is written for pyo3-async-runtimes, with that crate and with ours in its place."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
import rust_extension
from conftest import Complete
from support import until

# The first test of each may have to build it.
pytestmark = [pytest.mark.timeout(600), pytest.mark.three_loops]


@pytest.fixture(params=["patched", "real"])
def which(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def module(which: str) -> Any:
    return rust_extension.build_compat(which)


@pytest.fixture
def ours() -> Any:
    return rust_extension.build_compat("patched")


def test_values_come(complete: Complete, module: Any) -> None:
    async def main() -> None:
        thing = object()
        assert await module.value(thing) is thing
        assert await module.number(3) == 3
        assert await module.sleep(0.001) == 0.001
        assert await module.woken(0.001) == 1
        # What PyO3 makes of nothing, where it is no function's.
        assert await module.nothing() == ()
        assert await asyncio.gather(*map(module.number, range(100))) == list(range(100))

    complete(main())


def test_it_is_a_future_of_the_loop_and_begins_at_once(complete: Complete, module: Any) -> None:
    async def main() -> None:
        future = module.number(1)
        assert asyncio.isfuture(future) and future.get_loop() is asyncio.get_running_loop()
        assert not future.done()
        told = []
        future.add_done_callback(lambda future: told.append(future.result()))
        await until(lambda: bool(told))
        assert told == [1] and future.result() == 1
        assert await asyncio.wait_for(module.number(2), 10) == 2
        assert await asyncio.ensure_future(module.number(3)) == 3

    complete(main())


def test_errors_come(complete: Complete, module: Any) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="oh"):
            await module.fail("oh")
        with pytest.raises(ValueError, match="no object"):
            await module.unconvertible()

    complete(main())


def test_a_panic_is_an_exception(complete: Complete, module: Any, capfd: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        for text in ("first", "second"):
            with pytest.raises(module.RustPanic, match="rust future panicked"):
                await module.panics(text)
        assert await module.number(1) == 1

    complete(main())
    assert "first" in capfd.readouterr().err


def test_cancelling_drops_it(complete: Complete, module: Any) -> None:
    async def main() -> None:
        before = module.dropped()
        future = module.never()
        await asyncio.sleep(0.01)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        await until(lambda: module.dropped() == before + 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await module.never()
        await until(lambda: module.dropped() == before + 2)
        # At once, maybe before it was ever polled.
        module.never().cancel()
        await until(lambda: module.dropped() == before + 3)

    complete(main())


def test_rust_awaits_python(complete: Complete, module: Any) -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def fails() -> None:
        raise KeyError("k")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        assert await module.call(double(4)) == 8
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, "f")
        assert await module.call(future) == "f"
        with pytest.raises(KeyError):
            await module.call(fails())
        with pytest.raises(asyncio.CancelledError):
            await module.call(cancelled())
        assert await module.nested(0.001) == 0.001
        assert await module.loop_of() is asyncio.get_running_loop()
        assert await module.call(module.number(5)) == 5
        assert await module.local(1) == 2

    complete(main())


def test_the_context_goes_with_it(complete: Complete, module: Any) -> None:
    variable = contextvars.ContextVar("variable", default="none")

    async def read() -> str:
        before = variable.get()
        variable.set("inner")
        return before

    async def main() -> None:
        variable.set("outer")
        assert await module.call(read()) == "outer"
        assert await module.call_with_locals(read) == "outer"
        assert variable.get() == "outer"

    complete(main())


def test_what_is_started_runs(complete: Complete, module: Any) -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(1)

    async def main() -> None:
        module.start(work())
        assert not done
        await until(lambda: bool(done))

    complete(main())


async def count(to: int, asked: list[int] | None = None) -> AsyncIterator[int]:
    for number in range(to):
        if asked is not None:
            asked.append(number)
        yield number


def test_streams(complete: Complete, module: Any) -> None:
    async def fails() -> AsyncIterator[int]:
        yield 1
        raise KeyError("k")

    class Counts:
        """An iterator that is no generator."""

        def __init__(self) -> None:
            self.number = 0

        def __aiter__(self) -> Counts:
            return self

        async def __anext__(self) -> int:
            self.number += 1
            if self.number > 3:
                raise StopAsyncIteration
            await asyncio.sleep(0)
            return self.number

    class Countable:
        """Something that is no iterator, and gives one."""

        def __aiter__(self) -> AsyncIterator[int]:
            return count(3)

    async def main() -> None:
        for collect in (module.collect, module.collect_ahead):
            assert await collect(count(0)) == []
            assert await collect(count(100)) == list(range(100))
            assert await collect(Counts()) == [1, 2, 3]
        with pytest.raises(KeyError):
            await module.collect(fails())
        assert await module.collect_ahead(Countable()) == [0, 1, 2]
        asked: list[int] = []
        assert await module.first(count(1000, asked)) == 0
        await asyncio.sleep(0.01)
        assert len(asked) < 50

    complete(main())


def test_a_loop_that_is_run_for_it(loop: asyncio.AbstractEventLoop, module: Any) -> None:
    assert module.run(5) == 5
    assert module.run_until_complete(loop, None) == 7
    with pytest.raises(ValueError, match="oh"):
        module.run_until_complete(loop, "oh")


def test_outside_of_a_loop(module: Any) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        module.number(1)


def test_loops_one_after_the_other_and_at_once(module: Any) -> None:
    async def main() -> None:
        for number in range(20):
            assert await module.number(number) == number
            assert await module.nested(0.0001) == 0.0001

    for _ in range(3):
        for name in rust_extension.loops():
            loop = rust_extension.new_loop(name)
            loop.run_until_complete(main())
            loop.close()
    ended: list[BaseException | None] = []

    def in_thread() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            ended.append(error)
        else:
            ended.append(None)

    threads = [threading.Thread(target=in_thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == [None] * 4


# What is ours only, or the other fails.


def test_values_are_made_on_the_loops_thread(complete: Complete, ours: Any) -> None:
    async def main() -> None:
        polled_here, thread = await ours.threads()
        assert not polled_here and thread is threading.current_thread()

    complete(main())


def test_a_panic_says_why(complete: Complete, ours: Any) -> None:
    async def main() -> None:
        with pytest.raises(ours.RustPanic, match="rust future panicked: so it is"):
            await ours.panics("so it is")

    complete(main())


def test_errors_of_the_loop_come_too(complete: Complete, ours: Any) -> None:
    async def main() -> None:
        # Theirs waits for ever.
        with pytest.raises(TypeError):
            await asyncio.wait_for(ours.call(3), 10)
        # An exception that no future takes, as of Python 3.11.
        with pytest.raises((TypeError, RuntimeError), match="StopIteration"):
            await asyncio.wait_for(ours.stop(), 10)

    complete(main())


def test_what_rust_awaits_no_more_is_cancelled(complete: Complete, ours: Any) -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            ended.append(1)
            raise

    async def main() -> None:
        assert await ours.call_within(work(), 0.01) is None
        await until(lambda: len(ended) == 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await ours.call(work())
        await until(lambda: len(ended) == 2)

    complete(main())


def test_a_stream_that_fails_ahead_is_told_of(complete: Complete, ours: Any) -> None:
    async def fails() -> AsyncIterator[int]:
        yield 1
        raise KeyError("k")

    async def main() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        assert await ours.collect_ahead(fails()) == [1]
        assert isinstance(told[0]["exception"], KeyError)

    complete(main())


def test_each_item_of_a_stream_is_of_a_task_of_its_own(complete: Complete, ours: Any) -> None:
    variable = contextvars.ContextVar("variable", default="none")

    async def items() -> AsyncIterator[tuple[asyncio.Task[Any] | None, str]]:
        for name in ("first", "second"):
            before = variable.get()
            variable.set(name)
            yield asyncio.current_task(), before

    async def main() -> None:
        for collect in (ours.collect, ours.collect_ahead):
            [(one, first), (other, second)] = await collect(items())
            assert one is not other and first == second == "none"
        with pytest.raises(TypeError, match="list"):
            ours.collect_ahead([1])

    complete(main())


def test_a_loop_is_closed_under_it(
    loop: asyncio.AbstractEventLoop, ours: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    before = ours.dropped()

    async def main() -> list[Any]:
        return [ours.sleep(0.01), ours.never(), *ours.fire(50)]

    futures = loop.run_until_complete(main())
    loop.close()
    other = asyncio.SelectorEventLoop()
    other.run_until_complete(asyncio.sleep(0.05))
    other.close()
    # Cancelled there, it asks nothing of the loop; callbacks have no loop to be called by.
    assert not futures[0].done()
    del futures
    gc.collect()
    assert ours.dropped() in (before, before + 1)
    assert capfd.readouterr().err == ""


def test_cancelled_calls_leave_nothing(complete: Complete, ours: Any) -> None:
    class Thing:
        pass

    async def main() -> None:
        kept: list[weakref.ref[Thing]] = []
        for _ in range(100):
            thing = Thing()
            kept.append(weakref.ref(thing))
            ours.value(thing).cancel()
        del thing
        await asyncio.sleep(0.01)
        await ours.number(1)
        # What a worker lets go of is counted when somebody attaches next.
        for _ in range(100):
            await ours.number(1)
            gc.collect()
            if not any(ref() for ref in kept):
                return
        raise AssertionError("some are kept")

    complete(main())
