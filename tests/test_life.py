"""The life of a loop: run, stop, close, and what it is as an object."""

import asyncio
import gc
import sys
import threading
import time
import weakref

import pytest


@pytest.mark.usefixtures("without_debug")
def test_new_loop_is_an_event_loop_at_rest(loop):
    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert not loop.is_running()
    assert not loop.is_closed()
    assert loop.get_debug() is False


def test_run_until_complete_returns_the_result(loop):
    async def main():
        assert loop.is_running()
        assert asyncio.get_running_loop() is loop
        return 42

    assert loop.run_until_complete(main()) == 42
    assert not loop.is_running()
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_run_until_complete_raises_what_the_coroutine_raises(loop):
    async def main():
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        loop.run_until_complete(main())
    assert not loop.is_running()


def test_run_until_complete_takes_a_future_and_any_awaitable(loop):
    class Awaitable:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    future = loop.create_future()
    loop.call_soon(future.set_result, "future")
    assert loop.run_until_complete(future) == "future"
    assert loop.run_until_complete(Awaitable()) == "awaited"


def test_run_until_complete_refuses_what_is_not_awaitable(loop):
    with pytest.raises(TypeError, match="a coroutine or an awaitable is required"):
        loop.run_until_complete(17)


def test_run_until_complete_refuses_another_loops_future(loop, loop_factory):
    other = loop_factory()
    try:
        with pytest.raises(ValueError, match="belongs to a different loop"):
            loop.run_until_complete(other.create_future())
    finally:
        other.close()


def test_stop_inside_run_until_complete_is_an_error(loop):
    async def main():
        loop.stop()
        await asyncio.sleep(3600)

    task = loop.create_task(main())
    with pytest.raises(RuntimeError, match=r"Event loop stopped before Future completed\."):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)


def test_a_finished_future_needs_only_a_short_run(loop):
    future = loop.create_future()
    future.set_result("done")
    assert loop.run_until_complete(future) == "done"


def test_a_loop_runs_again_and_again(loop):
    async def main(value):
        await asyncio.sleep(0)
        return value

    assert [loop.run_until_complete(main(value)) for value in range(5)] == list(range(5))


def test_run_until_complete_marks_its_future_with_asyncios_callback(loop):
    """anyio looks for it, to find the root task."""

    async def main():
        return [callback for callback, _ in asyncio.current_task()._callbacks]

    assert asyncio.base_events._run_until_complete_cb in loop.run_until_complete(main())


def test_stop_ends_the_turn_it_is_called_in(loop):
    order = []

    def first():
        order.append("first")
        loop.stop()
        loop.call_soon(order.append, "next turn")

    loop.call_soon(first)
    loop.call_soon(order.append, "same turn")
    loop.run_forever()
    assert order == ["first", "same turn"]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert order == ["first", "same turn", "next turn"]


def test_stop_before_running_allows_one_turn(loop):
    order = []
    loop.call_soon(order.append, 1)
    loop.stop()
    loop.run_forever()
    assert order == [1]


def test_a_running_loop_cannot_be_run_or_closed(loop, loop_factory):
    async def main():
        other = loop_factory()
        coroutine = asyncio.sleep(0)
        try:
            with pytest.raises(RuntimeError, match="This event loop is already running"):
                loop.run_until_complete(coroutine)
            with pytest.raises(RuntimeError, match="Cannot run the event loop while another loop is running"):
                other.run_until_complete(coroutine)
            with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
                loop.close()
        finally:
            coroutine.close()
            other.close()
        return "lives on"

    assert loop.run_until_complete(main()) == "lives on"


def test_run_forever_inside_a_run_is_an_error(loop, loop_factory, loop_name):
    if loop_name == "asyncio":
        pytest.skip("some releases of CPython raise, but forget that they were running")

    async def main():
        other = loop_factory()
        with pytest.raises(RuntimeError, match="This event loop is already running"):
            loop.run_forever()
        with pytest.raises(RuntimeError, match="Cannot run the event loop while another loop is running"):
            other.run_forever()
        other.close()
        return await asyncio.sleep(0, "lives on")

    assert loop.run_until_complete(main()) == "lives on"


def test_a_closed_loop_runs_nothing(loop):
    ran = []
    loop.call_soon(ran.append, 1)
    loop.call_later(0, ran.append, 2)
    loop.close()
    loop.close()
    assert loop.is_closed()
    assert not loop.is_running()
    coroutine = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.run_forever()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.run_until_complete(coroutine)
    coroutine.close()
    assert ran == []


def test_close_lets_go_of_what_was_scheduled(loop):
    class Argument:
        pass

    arguments = [Argument(), Argument(), Argument()]
    gone = [weakref.ref(argument) for argument in arguments]
    loop.call_soon(print, arguments[0])
    loop.call_later(3600, print, arguments[1])
    loop.call_soon_threadsafe(print, arguments[2])
    arguments.clear()
    loop.close()
    gc.collect()
    assert [reference() for reference in gone] == [None, None, None]


def test_time_is_the_monotonic_clock_in_seconds(loop):
    before = time.monotonic()
    now = loop.time()
    assert before - 0.001 <= now <= time.monotonic() + 0.001
    assert isinstance(now, float)


def test_a_loop_takes_instance_attributes_weak_references_and_hashing(loop, loop_factory):
    other = loop_factory()
    loop.my_own = "attribute"
    assert loop.my_own == "attribute"
    assert weakref.ref(loop)() is loop
    assert len({loop, other, loop}) == 2
    assert loop == loop
    assert loop != other
    other.close()


def test_methods_can_be_replaced_on_the_instance(loop_factory):
    closed = []
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        loop = runner.get_loop()
        close = loop.close
        loop.close = lambda: (closed.append(True), close())
        loop.time = lambda: 1000.0
        assert loop.time() == 1000.0
        assert loop.call_later(5, print).when() == 1005.0
    assert closed == [True]
    assert loop.is_closed()


def test_repr_tells_the_state(loop):
    assert "running=False closed=False" in repr(loop)
    loop.close()
    assert "closed=True" in repr(loop)


def test_an_unclosed_loop_warns_when_it_goes(loop_factory):
    loop = loop_factory()
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del loop
        gc.collect()


def test_a_loop_may_run_in_one_thread_after_the_other(loop):
    threads = []

    async def main():
        await asyncio.sleep(0)
        threads.append(threading.get_ident())

    for _ in range(2):
        thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
        thread.start()
        thread.join()
    loop.run_until_complete(main())
    assert len(threads) == 3
    assert threads[-1] == threading.get_ident()


def test_loops_in_several_threads_do_not_meet(loop_factory):
    results = []

    async def main(number):
        for _ in range(100):
            await asyncio.sleep(0)
        results.append((number, asyncio.get_running_loop()))

    def work(number):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for number, _ in results) == [0, 1, 2, 3]
    assert len({loop for _, loop in results}) == 4


def test_set_event_loop_takes_it(loop):
    asyncio.set_event_loop(loop)
    try:
        assert asyncio.get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)


def test_runner_and_asyncio_run_take_the_factory(loop_factory):
    async def main():
        return type(asyncio.get_running_loop())

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        kind = runner.run(main())
        assert runner.run(main()) is kind
    if sys.version_info >= (3, 12):
        assert asyncio.run(main(), loop_factory=loop_factory) is kind
