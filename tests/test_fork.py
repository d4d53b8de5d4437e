"""os.fork() off a running loop: the child can run a loop of its own, and the parent's is undisturbed.

In programs of their own: a fork of pytest would have its threads' locks, and its report.
"""

import sys
import textwrap

import pytest
from programs import run_program

# What each program begins with. A child ends by os._exit: the parent's clean-up is not for it.
PRELUDE = """
import asyncio, os, signal, socket, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
warnings.simplefilter("ignore", ResourceWarning)

def fork(in_child):
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(100)  # should it hang, nobody else would end it
    code = 1
    try:
        in_child()
        code = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(code)

async def exit_of(pid):
    "Waits without a blocking call, so that the loop must go on meanwhile."
    async with asyncio.timeout(60):
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            await asyncio.sleep(0.001)

async def work():
    "Timers, sockets and threads, on whatever loop it runs."
    loop = asyncio.get_running_loop()
    async def echo(reader, writer):
        writer.write(await reader.readline())
        writer.close()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\\n")
        assert await reader.read() == b"hello\\n"
        writer.close()
    await asyncio.sleep(0.01)
    assert await asyncio.to_thread(os.getpid) == os.getpid()
    return "worked"

def run_in_child():
    assert asyncio.run(work()) == "worked"
"""


@pytest.fixture
def program(python, tmp_path):
    """``program(source)`` runs it, expects that it says nothing but "done", and ends well."""

    def run(source):
        path = tmp_path / "program.py"
        path.write_text(PRELUDE + textwrap.dedent(source))
        done = run_program([*python, path])
        assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)

    return run


def test_in_a_coroutine(program):
    program("""
        async def main():
            assert await exit_of(fork(run_in_child)) == 0
            assert await work() == "worked"
            assert await exit_of(fork(run_in_child)) == 0
        asyncio.run(main())
        print("done")
    """)


def test_in_a_callback(program):
    program("""
        async def main():
            loop = asyncio.get_running_loop()
            forked = loop.create_future()
            loop.call_soon(lambda: forked.set_result(fork(run_in_child)))
            assert await exit_of(await forked) == 0
            assert await work() == "worked"
        asyncio.run(main())
        print("done")
    """)


def test_between_two_runs(program):
    program("""
        loop = asyncio.new_event_loop()
        loop.run_until_complete(work())
        pid = fork(run_in_child)
        assert loop.run_until_complete(exit_of(pid)) == 0
        loop.run_until_complete(work())
        loop.close()
        print("done")
    """)


def test_no_loop_runs_in_the_child(program):
    program("""
        def in_child():
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                pass
            else:
                raise AssertionError("a loop runs")
            assert asyncio._get_running_loop() is None
            try:
                asyncio.current_task()
            except RuntimeError:
                return
            raise AssertionError("no loop runs, and yet there is a task")
        async def main():
            assert await exit_of(fork(in_child)) == 0
            assert asyncio.current_task() is not None
        asyncio.run(main())
        print("done")
    """)


def test_the_parents_timers_sockets_and_signals_go_on(program):
    """They hang on descriptors that the child has too."""
    program("""
        async def main():
            loop = asyncio.get_running_loop()
            ticks, signals = [], []
            async def tick():
                while True:
                    ticks.append(1)
                    await asyncio.sleep(0.001)
            ticking = asyncio.create_task(tick())
            loop.add_signal_handler(signal.SIGUSR1, signals.append, "parent's")
            server = await asyncio.start_server(echo_lines, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for number in range(10):
                pid = fork(run_in_child)
                before = len(ticks)
                writer.write(b"%d\\n" % number)
                assert await reader.readline() == b"%d\\n" % number
                os.kill(os.getpid(), signal.SIGUSR1)
                assert await exit_of(pid) == 0
                while len(ticks) == before or len(signals) <= number:
                    await asyncio.sleep(0.001)
            assert signals == ["parent's"] * 10
            ticking.cancel()
            writer.close()
            await ended.wait()
            server.close()
        ended = asyncio.Event()
        async def echo_lines(reader, writer):
            while line := await reader.readline():
                writer.write(line)
            writer.close()
            ended.set()
        asyncio.run(asyncio.wait_for(main(), 100))
        print("done")
    """)


def test_a_signal_in_the_child_does_not_reach_the_parents_handler(program, loop_name):
    if loop_name == "asyncio" and sys.version_info < (3, 12):
        pytest.skip("before Python 3.12 the child writes its signals to asyncio's socket in the parent")
    program("""
        got = []
        def in_child():
            signal.signal(signal.SIGUSR1, lambda *arguments: got.append("child's"))
            os.kill(os.getpid(), signal.SIGUSR1)
            async def main():
                loop = asyncio.get_running_loop()
                loop.add_signal_handler(signal.SIGUSR2, got.append, "child's loop's")
                os.kill(os.getpid(), signal.SIGUSR2)
                while len(got) < 2:
                    await asyncio.sleep(0.001)
                loop.remove_signal_handler(signal.SIGUSR2)
            asyncio.run(asyncio.wait_for(main(), 60))
            assert got == ["child's", "child's loop's"]
        async def main():
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGUSR1, got.append, "parent's")
            loop.add_signal_handler(signal.SIGUSR2, got.append, "parent's")
            assert await exit_of(fork(in_child)) == 0
            await asyncio.sleep(0.02)
            assert got == []
            os.kill(os.getpid(), signal.SIGUSR1)
            while not got:
                await asyncio.sleep(0.001)
        asyncio.run(asyncio.wait_for(main(), 100))
        print("done")
    """)


def test_the_child_may_close_what_it_got(program):
    """Closing the parent's loop and sockets in the child must not stop the parent from being woken."""
    program("""
        async def main():
            loop = asyncio.get_running_loop()
            near, far = socket.socketpair()
            near.setblocking(False)
            waiting = asyncio.create_task(loop.sock_recv(near, 10))
            await asyncio.sleep(0)
            def in_child():
                near.close()
                far.close()
                run_in_child()
            assert await exit_of(fork(in_child)) == 0
            far.send(b"hello")
            assert await asyncio.wait_for(waiting, 60) == b"hello"
            assert await asyncio.to_thread(int) == 0
            near.close()
            far.close()
        asyncio.run(main())
        print("done")
    """)


def test_the_parent_closes_a_connection_of_which_the_child_has_a_copy(program):
    """It goes on: what the peer sends to the child's copy is nothing to the parent's loop."""
    program("""
        class Server(asyncio.Protocol):
            def connection_made(self, transport):
                accepted.put_nowait(transport)
        async def main():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(Server, "127.0.0.1", 0)
            address = server.sockets[0].getsockname()
            def connect():
                return loop.run_in_executor(None, socket.create_connection, address)
            before, transport = await connect(), await accepted.get()
            go_on, told = os.pipe()
            def in_child():
                os.close(told)
                os.read(go_on, 1)
            pid = fork(in_child)
            # One that the child has too, one that it has not, one more with the number of the first.
            after, other = await connect(), await accepted.get()
            for sock, old in ((before, transport), (after, other)):
                old.abort()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                assert old.get_extra_info("sockname") == address
            before.send(b"to the child's copy")
            third, transport = await connect(), await accepted.get()
            third.send(b"x")
            assert await work() == "worked"
            assert after.recv(1) == b""
            os.write(told, b"x")
            assert await exit_of(pid) == 0
            transport.abort()
            server.close()
            for sock in (before, after, third):
                sock.close()
        accepted = asyncio.Queue()
        asyncio.run(main())
        print("done")
    """)


def test_a_child_of_a_child(program):
    program("""
        def in_child():
            async def main():
                assert await exit_of(fork(run_in_child)) == 0
                assert await work() == "worked"
            asyncio.run(main())
        async def main():
            assert await exit_of(fork(in_child)) == 0
        asyncio.run(main())
        print("done")
    """)


def test_children_of_many_forks_at_once(program):
    program("""
        async def main():
            children = [fork(run_in_child) for _ in range(20)]
            assert await asyncio.gather(*(exit_of(pid) for pid in children)) == [0] * 20
            assert await work() == "worked"
        asyncio.run(main())
        print("done")
    """)


def test_a_child_that_runs_subprocesses(program):
    program("""
        async def talk():
            process = await asyncio.create_subprocess_exec(
                "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            assert await process.communicate(b"input") == (b"input", None)
            assert process.returncode == 0
        async def main():
            await talk()
            assert await exit_of(fork(lambda: asyncio.run(talk()))) == 0
            await talk()
        asyncio.run(main())
        print("done")
    """)


def test_multiprocessing_by_fork(program):
    program("""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        def square(number):
            assert asyncio._get_running_loop() is None
            assert asyncio.run(work()) == "worked"
            return number * number
        async def main():
            loop = asyncio.get_running_loop()
            context = multiprocessing.get_context("fork")
            process = context.Process(target=square, args=(3,))
            process.start()
            while process.is_alive():
                await asyncio.sleep(0.001)
            assert process.exitcode == 0
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                results = await asyncio.gather(*(loop.run_in_executor(pool, square, n) for n in range(10)))
            assert results == [n * n for n in range(10)]
            assert await work() == "worked"
        asyncio.run(main())
        print("done")
    """)


def test_from_a_thread(program):
    """The main thread's loop runs on; the child has only the thread that forked."""
    program("""
        async def main():
            pid = await asyncio.to_thread(fork, run_in_child)
            assert await exit_of(pid) == 0
            assert await work() == "worked"
        asyncio.run(main())
        print("done")
    """)


def test_ironloops_own_door_in_the_child(program, loop_name):
    if loop_name == "asyncio":
        pytest.skip("this is about ironloop.run")
    program("""
        import ironloop
        async def main():
            assert await exit_of(fork(lambda: ironloop.run(work()))) == 0
            def nested():
                loop = ironloop.new_event_loop(nested=True)
                async def inside():
                    return loop.run_until_complete(work())
                assert loop.run_until_complete(inside()) == "worked"
                loop.close()
            assert await exit_of(fork(nested)) == 0
        ironloop.run(main())
        print("done")
    """)
