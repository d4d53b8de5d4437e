"""call_soon: order, arguments, contexts, handles and errors."""

import asyncio
import contextvars
import gc
import socket
import weakref

import pytest
from support import run_until, socket_pair

variable = contextvars.ContextVar("variable", default="default")


def run_once(loop):
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_callbacks_run_in_the_order_they_were_scheduled(loop):
    order = []
    for number in range(1000):
        loop.call_soon(order.append, number)
    run_once(loop)
    assert order == list(range(1000))


def test_what_a_callback_schedules_runs_in_the_next_turn(loop):
    order = []
    loop.call_soon(lambda: (order.append("a"), loop.call_soon(order.append, "c")))
    loop.call_soon(order.append, "b")
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert order == ["a", "b"]
    run_once(loop)
    assert order == ["a", "b", "c"]


@pytest.mark.parametrize("count", range(7))
def test_any_number_of_arguments_is_passed_on(loop, count):
    got = []
    loop.call_soon(lambda *arguments: got.append(arguments), *range(count))
    run_once(loop)
    assert got == [tuple(range(count))]


def test_a_callback_sees_the_context_it_was_scheduled_in(loop):
    seen = []
    token = variable.set("at the time of scheduling")
    loop.call_soon(lambda: seen.append(variable.get()))
    loop.call_later(0, lambda: seen.append(variable.get()))
    loop.call_soon_threadsafe(lambda: seen.append(variable.get()))
    variable.reset(token)
    run_until(loop, lambda: len(seen) >= 3)
    assert seen == ["at the time of scheduling"] * 3


def test_a_callback_runs_in_the_context_that_is_given(loop):
    seen = []
    context = contextvars.copy_context()
    context.run(variable.set, "given")

    def look():
        seen.append(variable.get())
        variable.set("changed inside")

    loop.call_soon(look, context=context)
    loop.call_later(0, look, context=context)
    loop.call_at(loop.time(), look, context=context)
    loop.call_soon_threadsafe(look, context=context)
    run_until(loop, lambda: len(seen) >= 4)
    assert seen == ["given", *["changed inside"] * 3]
    assert context[variable] == "changed inside"
    assert variable.get() == "default"


def test_a_change_in_one_callback_does_not_reach_the_next(loop):
    seen = []
    loop.call_soon(variable.set, "first")
    loop.call_soon(lambda: seen.append(variable.get()))
    run_once(loop)
    assert seen == ["default"]


def test_handles_are_asyncios(loop):
    soon = loop.call_soon(print)
    threadsafe = loop.call_soon_threadsafe(print)
    later = loop.call_later(3600, print)
    at = loop.call_at(loop.time() + 3600, print)
    for handle in (soon, threadsafe, later, at):
        assert isinstance(handle, asyncio.Handle)
        assert not handle.cancelled()
        handle.cancel()
        handle.cancel()
        assert handle.cancelled()
    for handle in (later, at):
        assert isinstance(handle, asyncio.TimerHandle)
    assert not isinstance(soon, asyncio.TimerHandle)


def test_a_cancelled_callback_does_not_run(loop):
    ran = []
    loop.call_soon(ran.append, "kept")
    loop.call_soon(ran.append, "soon").cancel()
    loop.call_later(0, ran.append, "later").cancel()
    loop.call_soon_threadsafe(ran.append, "threadsafe").cancel()
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    assert ran == ["kept"]


def test_a_callback_can_cancel_another_of_its_own_turn(loop):
    ran = []
    loop.call_soon(lambda: handle.cancel())
    handle = loop.call_soon(ran.append, "cancelled")
    run_once(loop)
    assert ran == []


def test_cancel_after_the_run_changes_nothing(loop):
    ran = []
    handle = loop.call_soon(ran.append, 1)
    timer = loop.call_later(0, ran.append, 2)
    run_until(loop, lambda: len(ran) >= 2)
    handle.cancel()
    timer.cancel()
    assert ran == [1, 2]
    run_once(loop)


def test_cancel_lets_go_of_callback_and_arguments_at_once(loop):
    class Argument:
        pass

    for schedule in (loop.call_soon, lambda *rest: loop.call_later(3600, *rest)):
        argument = Argument()
        gone = weakref.ref(argument)
        handle = schedule(print, argument)
        del argument
        assert gone() is not None
        handle.cancel()
        gc.collect()
        assert gone() is None
    run_once(loop)


def test_a_callback_that_ran_is_let_go_of(loop):
    class Argument:
        pass

    argument = Argument()
    gone = weakref.ref(argument)
    loop.call_soon(lambda _: None, argument)
    del argument
    run_once(loop)
    gc.collect()
    assert gone() is None


def test_repr_of_a_handle_names_its_callback(loop):
    def a_named_callback():
        pass

    handle = loop.call_soon(a_named_callback)
    timer = loop.call_later(3600, a_named_callback)
    assert "a_named_callback" in repr(handle)
    assert "a_named_callback" in repr(timer)
    assert "when=" in repr(timer)
    handle.cancel()
    timer.cancel()
    assert "cancelled" in repr(handle)
    assert "cancelled" in repr(timer)


def test_handles_take_weak_references_and_hashing(loop):
    handle = loop.call_soon(print)
    timer = loop.call_later(3600, print)
    assert weakref.ref(handle)() is handle
    assert weakref.ref(timer)() is timer
    assert len({handle, timer, handle}) == 2
    handle.cancel()
    timer.cancel()


def test_a_handle_knows_its_context(loop):
    if not hasattr(asyncio.Handle, "get_context"):
        pytest.skip("Handle.get_context came with Python 3.12")
    context = contextvars.copy_context()
    handle = loop.call_soon(int, context=context)
    assert handle.get_context() is context
    run_once(loop)


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe"])
def test_unknown_keywords_and_missing_callbacks_are_type_errors(loop, method):
    with pytest.raises(TypeError):
        getattr(loop, method)(print, key="value")
    with pytest.raises(TypeError):
        getattr(loop, method)()


def test_timer_arguments_are_checked(loop):
    with pytest.raises(TypeError):
        loop.call_later(1, print, key="value")
    with pytest.raises(TypeError):
        loop.call_at(1)
    with pytest.raises(TypeError):
        loop.call_later("soon", print)
    with pytest.raises(TypeError, match="delay must not be None"):
        loop.call_later(None, print)
    with pytest.raises(TypeError, match="when cannot be None"):
        loop.call_at(None, print)


def test_a_closed_loop_takes_nothing(loop):
    loop.close()
    with socket.socket() as sock:
        sock.setblocking(False)
        for call in (
            lambda: loop.call_soon(print),
            lambda: loop.call_later(1, print),
            lambda: loop.call_at(1, print),
            lambda: loop.call_soon_threadsafe(print),
            lambda: loop.run_in_executor(None, print),
            lambda: loop.add_reader(sock, print),
            lambda: loop.add_writer(sock, print),
        ):
            with pytest.raises(RuntimeError, match="Event loop is closed"):
                call()
    coroutine = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.create_task(coroutine)
    coroutine.close()


def test_endless_callbacks_do_not_starve_sockets_and_timers(loop):
    events = []

    def again():
        if len(events) < 2:
            loop.call_soon(again)
        else:
            loop.stop()

    with socket_pair() as (near, far):
        far.send(b"x")

        def readable():
            loop.remove_reader(near)
            events.append("socket")

        loop.add_reader(near, readable)
        loop.call_later(0.005, events.append, "timer")
        loop.call_soon(again)
        loop.run_forever()
    assert sorted(events) == ["socket", "timer"]


def test_tasks_take_turns(run):
    order = []

    async def worker(name):
        for step in range(3):
            order.append(f"{name}{step}")
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(worker("a"), worker("b"), worker("c"))

    run(main)
    assert order == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_create_future_belongs_to_the_loop(loop):
    future = loop.create_future()
    assert isinstance(future, asyncio.Future)
    assert future.get_loop() is loop
    loop.call_soon(future.set_result, 3)
    assert loop.run_until_complete(future) == 3


def test_run_once_makes_one_turn(loop):
    """Private, and yet tests of many projects turn a loop by it."""
    order = []
    loop.call_soon(lambda: (order.append(1), loop.call_soon(order.append, 2)))
    loop._run_once()
    assert order == [1]
    loop._run_once()
    assert order == [1, 2]


def test_waiting_handles_show(loop):
    """Private too; tests count them."""
    assert len(loop._ready) == len(loop._scheduled) == 0
    soon = [loop.call_soon(print), loop.call_soon(print)]
    timers = [loop.call_later(3600, print), loop.call_later(1800, print)]
    assert list(loop._ready) == soon
    assert set(loop._scheduled) == set(timers)
    for handle in (*soon, *timers):
        handle.cancel()
    loop._run_once()
    assert len(loop._ready) == 0
