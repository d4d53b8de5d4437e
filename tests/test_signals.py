"""Signal handlers on the loop, and SystemExit and KeyboardInterrupt on their way out."""

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from support import PATIENCE, run_until


def send(number):
    os.kill(os.getpid(), number)


def settle(loop, condition):
    """Run a loop until ``condition()``, and then a little longer for what must not come after it."""
    run_until(loop, condition)
    loop.run_until_complete(asyncio.sleep(0.01))


def interrupt_once_it_sleeps(loop):
    """A thread, started, that sends Ctrl-C when the loop runs and its thread sleeps.

    Not before the run, where pytest would get it; and CPython can miss a signal in the moment before a wait.
    """
    running = threading.Event()

    def work():
        running.wait(PATIENCE)
        time.sleep(0.02)  # else the main thread may be waiting for this one
        main_thread = Path(f"/proc/self/task/{threading.main_thread().native_id}/stat")
        while main_thread.read_text().rpartition(")")[2].split()[0] != "S":
            time.sleep(0.001)
        send(signal.SIGINT)

    thread = threading.Thread(target=work)
    thread.start()
    loop.call_soon(running.set)
    return thread


def test_a_handler_runs_on_the_loop_with_its_arguments(loop):
    got = []

    def handler(*arguments):
        got.append((arguments, asyncio.get_running_loop()))
        loop.stop()

    loop.add_signal_handler(signal.SIGUSR1, handler, 1, "two")
    loop.call_soon(send, signal.SIGUSR1)
    loop.run_forever()
    assert got == [((1, "two"), loop)]


def test_a_signal_wakes_a_loop_that_sleeps(loop):
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    timer = threading.Timer(0.02, send, [signal.SIGUSR1])
    timer.start()
    loop.run_forever()
    timer.join()


def test_a_signal_between_two_runs_is_not_lost(loop):
    got = []
    loop.add_signal_handler(signal.SIGUSR1, got.append, "signal")
    loop.run_until_complete(asyncio.sleep(0))
    send(signal.SIGUSR1)
    settle(loop, lambda: got)
    assert got == ["signal"]


def test_a_signal_before_the_first_run_is_not_lost(loop):
    got = []
    loop.add_signal_handler(signal.SIGUSR1, got.append, "signal")
    send(signal.SIGUSR1)
    settle(loop, lambda: got)
    assert got == ["signal"]


def test_several_signals_each_reach_their_handler(loop):
    got = []
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        loop.add_signal_handler(number, got.append, number)
    for number in (signal.SIGUSR2, signal.SIGHUP, signal.SIGUSR1):
        loop.call_soon(send, number)
    settle(loop, lambda: len(got) >= 3)
    assert sorted(got) == sorted([signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP])


def test_a_new_handler_takes_the_place_of_the_old(loop):
    got = []
    loop.add_signal_handler(signal.SIGUSR1, got.append, "old")
    loop.add_signal_handler(signal.SIGUSR1, got.append, "new")
    loop.call_soon(send, signal.SIGUSR1)
    settle(loop, lambda: got)
    assert got == ["new"]


def test_remove_tells_whether_there_was_one_and_restores_the_default(loop):
    assert loop.remove_signal_handler(signal.SIGUSR1) is False
    loop.add_signal_handler(signal.SIGUSR1, print)
    loop.add_signal_handler(signal.SIGINT, print)
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    assert loop.remove_signal_handler(signal.SIGINT) is True
    assert loop.remove_signal_handler(signal.SIGUSR1) is False
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_close_takes_every_handler_and_the_wakeup_descriptor_back(loop):
    loop.add_signal_handler(signal.SIGUSR1, print)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert signal.set_wakeup_fd(-1) == -1


def test_handler_errors_go_to_the_exception_handler(loop):
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))
    loop.add_signal_handler(signal.SIGUSR1, lambda: 1 / 0)
    loop.call_soon(send, signal.SIGUSR1)
    settle(loop, lambda: contexts)
    assert [type(context["exception"]) for context in contexts] == [ZeroDivisionError]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_what_cannot_be_caught_is_refused(loop, number):
    with pytest.raises(RuntimeError, match=rf"sig {int(number)} cannot be caught"):
        loop.add_signal_handler(number, print)


def test_what_is_no_signal_is_refused(loop):
    with pytest.raises(ValueError, match="invalid signal number"):
        loop.add_signal_handler(1000, print)
    with pytest.raises(TypeError, match="sig must be an int, not"):
        loop.add_signal_handler("SIGINT", print)
    with pytest.raises(ValueError, match="invalid signal number"):
        loop.remove_signal_handler(1000)


def test_a_coroutine_is_no_handler(loop):
    async def coroutine():
        pass

    with pytest.raises(TypeError, match="coroutines cannot be used with add_signal_handler"):
        loop.add_signal_handler(signal.SIGUSR1, coroutine)


def test_a_closed_loop_takes_no_handler(loop):
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.add_signal_handler(signal.SIGUSR1, print)


def test_only_the_main_thread_may_add_one(loop):
    errors = []

    def add():
        try:
            loop.add_signal_handler(signal.SIGUSR1, print)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=add)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_they_leave_run_forever_and_the_loop_lives_on(loop, kind):
    def leave():
        raise kind("leaving")

    ran = []
    loop.call_soon(leave)
    loop.call_soon(ran.append, "after")
    with pytest.raises(kind, match="leaving"):
        loop.run_forever()
    assert not loop.is_running()
    loop.run_until_complete(asyncio.sleep(0))
    assert ran == ["after"]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_they_leave_run_until_complete_from_a_task(loop, kind):
    async def leave():
        raise kind("leaving")

    async def main():
        task = asyncio.create_task(leave())
        await asyncio.sleep(3600)
        await task

    task = loop.create_task(main())
    with pytest.raises(kind, match="leaving"):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.run_until_complete(asyncio.sleep(0))


def test_other_base_exceptions_of_a_callback_go_to_the_handler(loop):
    class Own(BaseException):
        pass

    def fail():
        raise Own

    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))
    loop.call_soon(fail)
    loop.run_until_complete(asyncio.sleep(0))
    assert [type(context["exception"]) for context in contexts] == [Own]


def test_ctrl_c_leaves_run_forever(loop):
    loop.call_soon(send, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.run_until_complete(asyncio.sleep(0))


def test_ctrl_c_leaves_a_loop_that_sleeps(loop):
    thread = interrupt_once_it_sleeps(loop)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    thread.join()


# A tool that pytest has loaded (ddtrace) may run Python code at each switch of contexts, where CPython can
# only drop an exception, and warn. So the callback takes most of the time, and a lost signal is sent again.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_leaves_a_loop_that_never_sleeps(loop, loop_name):
    if loop_name == "asyncio" and sys.version_info[:2] == (3, 14):
        # Raised as its `run_forever` jumps back, which 3.14 alone compiles to outside of the `try`.
        pytest.skip("asyncio's loop may take itself to be running ever after")
    turns = 0
    left = threading.Event()

    def again():
        nonlocal turns
        turns += 1
        for _ in range(10_000):
            pass
        loop.call_soon(again)

    def interrupt():
        """Sends Ctrl-C until the loop is left.

        One that has turned twice since the last signal has lost it: a loop that is being left gets none.
        """
        for _ in range(5):
            before = turns
            while turns < before + 2:
                if left.wait(0.02):
                    return
            send(signal.SIGINT)
            if left.wait(1):
                return
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=interrupt)
    thread.start()
    loop.call_soon(again)
    with pytest.raises(KeyboardInterrupt):
        try:
            loop.run_forever()
        finally:
            left.set()
    thread.join()


def test_a_handler_of_the_signal_module_runs_while_the_loop_sleeps(loop):
    got = []
    before = signal.signal(signal.SIGUSR1, lambda *arguments: (got.append("signal"), wake.set()))
    wake = threading.Event()
    thread = threading.Thread(target=lambda: (wake.wait(PATIENCE), loop.call_soon_threadsafe(loop.stop)))
    timer = threading.Timer(0.02, send, [signal.SIGUSR1])
    thread.start()
    timer.start()
    try:
        loop.run_forever()
    finally:
        signal.signal(signal.SIGUSR1, before)
    timer.join()
    thread.join()
    assert got == ["signal"]


def test_a_handler_of_the_signal_module_sees_no_task_that_waits_as_the_current_one(run, vocabulary):
    """It may run between two turns, or while the loop sleeps: the last task is not the current one then."""
    seen = []

    def handler(signum, frame):
        task = asyncio.current_task() if asyncio._get_running_loop() else None
        seen.append(task is None or task._fut_waiter is None)

    async def busy(mine, others):
        while len(seen) < 200:
            others.put_nowait(None)
            await mine.get()
        others.put_nowait(None)

    async def idle():
        while len(seen) < 300:
            await asyncio.sleep(0.001)

    async def main():
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        try:
            one, two = vocabulary.Queue(), vocabulary.Queue()
            await asyncio.gather(busy(one, two), busy(two, one), idle())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        run(main)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert all(seen)
