"""`timeout`, `timeout_at`, `Timeout` and `wait_for`: what CPython's suite does not ask, on both loops."""

import asyncio
import gc
import inspect
import sys
import weakref

import ironloop
import pytest
from conftest import needs_ironloop
from support import PATIENCE

NAMES = ("timeout", "timeout_at", "Timeout", "wait_for")
since_312 = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="Python 3.11 makes a task and waits for that"
)


@pytest.fixture
def of(loop_name):
    """Where the names under test are."""
    return ironloop if loop_name == "ironloop" else asyncio


async def answers(value=42):
    await asyncio.sleep(0)
    return value


def test_both_classes_are_one_to_isinstance(run, of):
    async def main():
        async with of.timeout(PATIENCE) as ours, asyncio.timeouts.timeout(PATIENCE) as stock:
            for timeout in (ours, stock):
                assert isinstance(timeout, asyncio.Timeout)
                assert isinstance(timeout, ironloop.Timeout)
            assert repr(ours).startswith("<Timeout [active] when=")
        assert issubclass(ironloop.Timeout, asyncio.Timeout)

    run(main)


@needs_ironloop
def test_the_functions_look_like_asyncios():
    for name in NAMES:
        ours, stock = getattr(ironloop, name), getattr(asyncio, name)
        assert inspect.signature(ours) == inspect.signature(stock)
    assert inspect.iscoroutinefunction(ironloop.wait_for)
    assert inspect.iscoroutinefunction(ironloop.Timeout.__aenter__)


@needs_ironloop
@pytest.mark.parametrize("when", [0.0, PATIENCE])
def test_on_another_loop_all_do_what_asyncios_do(when):
    async def main():
        deadline = asyncio.get_running_loop().time() + when
        for timeout in (ironloop.timeout(when), ironloop.timeout_at(deadline), ironloop.Timeout(deadline)):
            if when:
                async with timeout:
                    assert await answers() == 42
            else:
                with pytest.raises(TimeoutError):
                    async with timeout:
                        await asyncio.sleep(PATIENCE)
            assert timeout.expired() is not bool(when)
        if when:
            assert await ironloop.wait_for(answers(), when) == 42

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())


def test_the_message_and_the_chain_of_errors(run, of):
    async def main():
        for limited in (of.wait_for(asyncio.sleep(PATIENCE), 0.001), within_a_block()):
            with pytest.raises(TimeoutError) as caught:
                await limited
            assert isinstance(caught.value.__cause__, asyncio.CancelledError)
            assert caught.value.__context__ is caught.value.__cause__
            assert asyncio.current_task().cancelling() == 0

    async def within_a_block():
        async with of.timeout(0.001):
            await asyncio.sleep(PATIENCE)

    run(main)


def test_who_is_cancelled_besides_stays_cancelled(run, of):
    async def limited():
        async with of.timeout(0):
            asyncio.current_task().cancel("from outside")
            await asyncio.sleep(PATIENCE)

    async def main():
        task = asyncio.create_task(limited())
        with pytest.raises(asyncio.CancelledError):
            await task
        task = asyncio.create_task(of.wait_for(asyncio.sleep(PATIENCE), PATIENCE))
        await asyncio.sleep(0)
        task.cancel("of the wait")
        with pytest.raises(asyncio.CancelledError, match="of the wait"):
            await task

    run(main)


def test_a_deadline_that_moves(run, of):
    async def main():
        time = asyncio.get_running_loop().time
        async with of.timeout(0) as timeout:
            timeout.reschedule(time() + PATIENCE)
            await answers()
        assert not timeout.expired()
        with pytest.raises(TimeoutError):
            async with of.timeout(None) as timeout:
                assert timeout.when() is None
                timeout.reschedule(time() - 1)
                timeout.reschedule(time() + PATIENCE)
                timeout.reschedule(time())
                await asyncio.sleep(PATIENCE)
        with pytest.raises(RuntimeError, match="Cannot change state of expired Timeout"):
            timeout.reschedule(None)

    run(main)


def test_a_handle_for_those_who_look(run, of):
    async def main():
        with pytest.raises(TimeoutError):
            async with of.timeout(0.001) as timeout:
                handle = timeout._timeout_handler
                assert handle is timeout._timeout_handler
                assert handle.when() == timeout.when()
                await asyncio.sleep(PATIENCE)
        assert timeout._timeout_handler is None

    run(main)


@since_312
def test_wait_for_awaits_in_the_same_task(run, of):
    async def main():
        class Awaitable:
            def __await__(self):
                yield from asyncio.sleep(0).__await__()
                return "awaited"

        me = asyncio.current_task()

        async def who():
            return asyncio.current_task()

        assert await of.wait_for(who(), PATIENCE) is me
        assert await of.wait_for(who(), None) is me
        assert await of.wait_for(Awaitable(), PATIENCE) == "awaited"
        assert await of.wait_for(asyncio.create_task(answers()), PATIENCE) == 42
        with pytest.raises(TypeError):
            await of.wait_for(17, PATIENCE)

    run(main)


def test_a_value_in_spite_of_the_timeout(run, of):
    async def stubborn():
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return "in spite of it"

    async def main():
        assert await of.wait_for(stubborn(), 0.001) == "in spite of it"
        assert asyncio.current_task().cancelling() == 0

    run(main)


def test_a_wait_that_is_closed_closes_what_it_waits_for(run, of):
    async def main():
        closed = []

        async def inner():
            try:
                await asyncio.sleep(PATIENCE)
            finally:
                closed.append(True)

        waiting = of.wait_for(inner(), None)
        waiting.send(None)
        waiting.close()
        assert closed == [True]

    run(main)


def test_nobody_awaits(run, of):
    async def main():
        coroutine = answers()
        with pytest.warns(RuntimeWarning, match="coroutine 'wait_for' was never awaited"):
            of.wait_for(coroutine, 1)
        coroutine.close()

    run(main)


def test_what_waits_on_a_closed_loop_is_garbage(loop_factory, of):
    class Marked(asyncio.Future):
        pass

    async def waits(future):
        async with of.timeout(PATIENCE):
            await of.wait_for(future, PATIENCE)

    def leave_one():
        loop = loop_factory()
        future = Marked(loop=loop)
        task = loop.create_task(waits(future))
        loop.call_soon(loop.stop)
        loop.run_forever()
        task._log_destroy_pending = False
        loop.close()
        return weakref.ref(future)

    left = leave_one()
    gc.collect()
    assert left() is None


def test_a_subclass_is_heard(run, of):
    async def main():
        rescheduled = []

        class Own(of.Timeout):
            def reschedule(self, when):
                rescheduled.append(when)
                super().reschedule(when)

        async with Own(None):
            pass
        assert rescheduled == [None]

    run(main)


@pytest.mark.parametrize("where", ["instance", "subclass"])
@pytest.mark.parametrize("name", ["reschedule", "_on_timeout", "when"])
def test_a_method_that_is_replaced_is_the_one_that_runs(run, of, where, name):
    """Spies in tests put theirs on the instance."""

    async def main():
        calls = []
        if where == "instance":
            timeout = of.timeout(0.001)
            original = getattr(timeout, name)
            setattr(timeout, name, lambda *args: calls.append(args) or original(*args))
        else:
            # asyncio's says that it is final; only a type checker listens.
            base = type(of.timeout(None))
            method = lambda self, *args: calls.append(args) or getattr(base, name)(self, *args)  # noqa: E731
            timeout = type("Own", (base,), {name: method})(asyncio.get_running_loop().time() + 0.001)
        with pytest.raises(TimeoutError):
            async with timeout:
                assert len(calls) == (name == "reschedule")
                if name == "when":
                    timeout.when()
                await asyncio.get_running_loop().create_future()
        assert len(calls) == 1
        if where == "instance":
            delattr(timeout, name)
            assert getattr(timeout, name) == original

    run(main)


def test_a_replaced_reschedule_decides(run, of):
    async def main():
        timeout = of.timeout(3600)
        timeout.reschedule = lambda when: type(timeout).reschedule(timeout, 0)
        with pytest.raises(TimeoutError):
            async with timeout:
                await asyncio.get_running_loop().create_future()

    run(main)
