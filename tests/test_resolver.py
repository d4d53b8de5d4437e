"""getaddrinfo and getnameinfo: literals need no thread, lookups do not queue behind other work."""

import asyncio
import concurrent.futures
import functools
import gc
import itertools
import os
import signal
import socket
import sys
import threading
import weakref

import pytest
from conftest import needs_ironloop
from programs import command_for, run_program
from support import PATIENCE, Echo, Recorder, serving, until

HOSTS = ["127.0.0.1", "::1", "fe80::1%lo", "1.2.3", "01.2.3.4", "", None, b"127.0.0.1", "0.0.0.0", "::"]
NO_LITERALS = ["256.1.1.1", "1.2.3.4.5", ":::", "::1%no_such_interface", "a name"]
PORTS = [80, "80", 0, None, b"80", 65535]
KINDS = [
    {},
    {"type": socket.SOCK_STREAM},
    {"family": socket.AF_INET, "type": socket.SOCK_STREAM},
    {"family": socket.AF_INET6},
    {"proto": socket.IPPROTO_TCP},
    {"type": socket.SOCK_DGRAM, "proto": socket.IPPROTO_UDP},
    {"type": socket.SOCK_STREAM, "flags": socket.AI_PASSIVE | socket.AI_NUMERICHOST},
]


@pytest.fixture
def no_lookups(monkeypatch):
    here = threading.current_thread()
    getaddrinfo = socket.getaddrinfo

    def refuse(*arguments, **options):
        assert threading.current_thread() is here, "a thread was asked to look this up"
        return getaddrinfo(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_answers_are_those_of_the_socket_module(run, kind):
    def expected(host, port):
        try:
            return socket.getaddrinfo(host, port, **kind)
        except (OSError, ValueError) as error:
            return type(error)

    async def answer(host, port):
        try:
            return await asyncio.get_running_loop().getaddrinfo(host, port, **kind)
        except (OSError, ValueError) as error:
            return type(error)

    async def main():
        # What is no literal goes to a name server, unless the caller says that it must be one.
        hosts = HOSTS + (NO_LITERALS if kind.get("flags", 0) & socket.AI_NUMERICHOST else [])
        for host, port in itertools.product(hosts, PORTS):
            assert await answer(host, port) == expected(host, port), (host, port)

    run(main)


def test_a_literals_canonical_name_is_its_own(monkeypatch):
    # musl gives one to each, unasked.
    addresses = pytest.importorskip("ironloop.addresses")
    look_up = addresses.look_up

    def as_musl_does(host, *rest):
        return [(*answer[:3], host, answer[4]) for answer in look_up(host, *rest)]

    monkeypatch.setattr(addresses, "look_up", as_musl_does)
    monkeypatch.setattr(addresses, "_shapes", {})
    for host in ("127.0.0.1", "127.0.0.2", "::1"):
        answers = addresses.of_literal(host, 80, 0, socket.SOCK_STREAM, 0, 0)
        assert [(answer[3], answer[4][0]) for answer in answers] == [(host, host)]


@pytest.mark.parametrize(
    "kind", [*KINDS, {"flags": socket.AI_CANONNAME}, {"family": 12345}, {"type": "x"}], ids=str
)
@pytest.mark.parametrize(
    "host", ["localhost", "localhost.", "LOCALHOST", b"localhost", "a name", "b\0", "ä" * 70, 5]
)
def test_names_are_answered_as_by_the_socket_module(run, kind, host):
    """What is no name of this machine is asked for with a flag that has no name server asked."""
    kind = dict(kind)
    if host not in ("localhost", b"localhost"):
        kind["flags"] = kind.get("flags", 0) | socket.AI_NUMERICHOST

    def expected(port):
        try:
            return socket.getaddrinfo(host, port, **kind)
        except (OSError, ValueError, TypeError, OverflowError) as error:
            return type(error), error.args

    async def main():
        for port in [*PORTS, "http", "no such service", 70_000, -1, 2**80, 1.5, "b\0"]:
            try:
                answer = await asyncio.get_running_loop().getaddrinfo(host, port, **kind)
            except (OSError, ValueError, TypeError, OverflowError) as error:
                answer = type(error), error.args
            assert answer == expected(port), port
            if isinstance(answer, list):
                assert all(type(one[0]) is socket.AddressFamily for one in answer)

    run(main)


@needs_ironloop
def test_names_take_no_thread_of_pythons(monkeypatch):
    async def main():
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was started"))
        expected = socket.getaddrinfo("localhost", 80)
        answers = await asyncio.gather(*(loop.getaddrinfo("localhost", 80) for _ in range(100)))
        assert answers == [expected] * 100

    # In debug mode asyncio's own method asks, and times it.
    with asyncio.Runner(debug=False, loop_factory=ironloop_loop) as runner:
        runner.run(main())


HEARD = []


@functools.cache
def listen():
    """Once: a hook stays for good."""

    def hear(event, arguments):
        if HEARD and event == "socket.getaddrinfo":
            HEARD.append(arguments)

    sys.addaudithook(hear)


def test_a_look_up_is_told_to_audit_hooks(run):
    async def main():
        await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)

    listen()
    HEARD.append("begin")
    try:
        run(main)
        assert HEARD[1:] == [("localhost", 80, 0, socket.SOCK_STREAM, 0)]
    finally:
        HEARD.clear()


@needs_ironloop
def test_who_stops_waiting_for_names_leaves_nothing(caplog):
    """Cancelled at whatever moment, or left to a loop that is closed."""

    async def main():
        loop = asyncio.get_running_loop()
        for turns in range(20):
            lookups = [asyncio.ensure_future(loop.getaddrinfo("localhost", 80)) for _ in range(10)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for lookup in lookups:
                lookup.cancel()
            await asyncio.wait(lookups)

    with asyncio.Runner(loop_factory=ironloop_loop) as runner:
        runner.run(main())
    for turns in range(1, 10):
        loop = ironloop_loop()
        lookups = [loop.create_task(loop.getaddrinfo("localhost", 80)) for _ in range(50)]
        for _ in range(turns):
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        for lookup in lookups:
            lookup._log_destroy_pending = False
    alive = [weakref.ref(lookup) for lookup in lookups]
    del lookups, lookup, loop
    gc.collect()
    assert not any(reference() for reference in alive)
    assert not caplog.records


@needs_ironloop
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_looks_names_up(caplog):
    loop = ironloop_loop()
    lookups = [loop.create_task(loop.getaddrinfo("localhost", 80)) for _ in range(50)]
    loop.run_until_complete(asyncio.sleep(0))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(int(PATIENCE))
            task = loop.create_task(loop.getaddrinfo("localhost", 80))
            assert loop.run_until_complete(task) == socket.getaddrinfo("localhost", 80)
            loop.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    loop.run_until_complete(asyncio.gather(*lookups))
    loop.close()


def test_connecting_to_a_literal_looks_nothing_up(run, no_lookups):
    async def main():
        async with serving(Echo) as address:
            _, protocol = await asyncio.get_running_loop().create_connection(Recorder, *address)
            protocol.transport.close()
            await protocol.lost
            with socket.socket() as sock:
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, address)

    run(main)


def test_getaddrinfo_of_a_literal_looks_nothing_up(run, loop_name, no_lookups):
    if loop_name == "asyncio":
        pytest.skip("asyncio asks a thread")

    async def main():
        loop = asyncio.get_running_loop()
        # musl gives a canonical name as well.
        name = socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][3]
        assert await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM) == [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, name, ("127.0.0.1", 80))
        ]

    run(main)


def test_a_full_default_executor_does_not_hold_lookups_up(run, loop_name):
    if loop_name == "asyncio":
        pytest.skip("asyncio's lookups wait for a thread of the default executor")

    async def main():
        loop = asyncio.get_running_loop()
        release = threading.Event()
        loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
        blocked = loop.run_in_executor(None, release.wait)
        try:
            async with asyncio.timeout(PATIENCE):
                assert await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
                await loop.getnameinfo(("127.0.0.1", 80))
        finally:
            release.set()
            await blocked

    run(main)


def test_many_lookups_at_once(run, monkeypatch):
    asked = []

    def getaddrinfo(host, port, *rest, **options):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def main():
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        loop = asyncio.get_running_loop()
        answers = await asyncio.gather(
            *(loop.getaddrinfo(f"host{number}.example", number) for number in range(200))
        )
        assert [answer[0][4][1] for answer in answers] == list(range(200))
        assert len(asked) == 200

    run(main)


def test_a_failed_lookup_raises_gaierror(run, monkeypatch):
    def getaddrinfo(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def main():
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with pytest.raises(socket.gaierror) as caught:
            await asyncio.get_running_loop().getaddrinfo("name.example", 80)
        assert caught.value.errno == socket.EAI_NONAME

    run(main)


def test_getnameinfo(run):
    async def main():
        loop = asyncio.get_running_loop()
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        assert await loop.getnameinfo(("127.0.0.1", 80), numeric) == ("127.0.0.1", "80")
        assert await loop.getnameinfo(("127.0.0.1", 80)) == socket.getnameinfo(("127.0.0.1", 80), 0)
        with pytest.raises(socket.gaierror):
            await loop.getnameinfo(("no literal", 80))

    run(main)


def test_cancel_of_a_lookup(run, monkeypatch):
    release = threading.Event()

    def getaddrinfo(*arguments, **options):
        release.wait(PATIENCE)
        return []

    async def main():
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo("name.example", 80), 0.01)
        release.set()

    run(main)


# What asyncio itself does worse: its lookups take the threads of the default executor, as many as there are
# cores and four, and the end of the process joins each of them.


class HangingServer:
    """A `getaddrinfo` that answers nobody until it is released."""

    def __init__(self):
        self.released = threading.Event()
        self.asked = []
        self.threads = set()

    def __call__(self, host, port, *rest, **options):
        self.threads.add(threading.current_thread())
        self.asked.append(host)
        self.released.wait(PATIENCE)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def hanging(monkeypatch):
    server = HangingServer()
    monkeypatch.setattr(socket, "getaddrinfo", server)
    yield server
    server.released.set()


def ask(number):
    return asyncio.get_running_loop().getaddrinfo(f"host{number}.example", number)


def threads_end(hanging):
    hanging.released.set()
    for thread in hanging.threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@needs_ironloop
def test_a_machine_of_any_size_looks_as_many_up_at_once_as_asyncio_on_a_large_one(hanging):
    async def main():
        lookups = [asyncio.ensure_future(ask(number)) for number in range(40)]
        await until(lambda: len(hanging.asked) == 32)
        # The others wait for one of these to end.
        assert len(hanging.threads) == 32
        hanging.released.set()
        answers = await asyncio.gather(*lookups)
        assert [answer[0][4][1] for answer in answers] == list(range(40))

    with asyncio.Runner(loop_factory=ironloop_loop) as runner:
        runner.run(main())
    threads_end(hanging)


@needs_ironloop
def test_a_thread_ends_with_the_last_lookup(hanging):
    async def main():
        lookup = asyncio.ensure_future(ask(1))
        await until(lambda: hanging.threads)
        (thread,) = hanging.threads
        assert thread.daemon
        hanging.released.set()
        await lookup
        await until(lambda: not thread.is_alive())

    with asyncio.Runner(loop_factory=ironloop_loop) as runner:
        runner.run(main())


@needs_ironloop
def test_one_lookup_after_another_needs_one_thread(hanging):
    hanging.released.set()

    async def main():
        for number in range(10):
            await ask(number)
        assert len(hanging.threads) == 1

    with asyncio.Runner(loop_factory=ironloop_loop) as runner:
        runner.run(main())
    threads_end(hanging)


@needs_ironloop
def test_a_lookup_that_is_cancelled_while_it_waits_never_begins(hanging):
    async def main():
        lookups = [asyncio.ensure_future(ask(number)) for number in range(34)]
        await until(lambda: len(hanging.asked) == 32)
        lookups[32].cancel()
        await asyncio.wait([lookups[32]])
        hanging.released.set()
        await lookups[33]
        assert "host32.example" not in hanging.asked

    with asyncio.Runner(loop_factory=ironloop_loop) as runner:
        runner.run(main())
    threads_end(hanging)


@needs_ironloop
def test_what_waits_when_the_loop_is_closed_is_never_looked_up(hanging, caplog):
    async def main():
        lookups = [asyncio.ensure_future(ask(number)) for number in range(40)]
        await until(lambda: len(hanging.asked) == 32)
        for lookup in lookups:
            lookup.cancel()
        await asyncio.wait(lookups)

    with asyncio.Runner(loop_factory=ironloop_loop) as runner:
        runner.run(main())
    threads_end(hanging)
    assert len(hanging.asked) == 32
    assert not caplog.records


@needs_ironloop
def test_an_answer_for_a_loop_that_is_closed_is_dropped(hanging, caplog):
    loop = ironloop_loop()
    lookup = loop.create_task(loop.getaddrinfo("name.example", 80))
    loop.run_until_complete(until(lambda: hanging.asked))
    loop.close()
    threads_end(hanging)
    assert not lookup.done()
    assert not caplog.records
    lookup._log_destroy_pending = False


@needs_ironloop
def test_an_error_leaves_no_cycle_behind(monkeypatch):
    class Unknown(OSError):
        alive = 0

        def __init__(self):
            Unknown.alive += 1

        def __del__(self):
            Unknown.alive -= 1

    def getaddrinfo(*arguments, **options):
        raise Unknown

    async def main():
        with pytest.raises(Unknown):
            await ask(1)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with asyncio.Runner(loop_factory=ironloop_loop) as runner:
        runner.get_loop()
        gc.collect()
        gc.disable()
        try:
            runner.run(main())
            runner.run(until(lambda: not Unknown.alive))
        finally:
            gc.enable()


@needs_ironloop
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_looks_up_on_threads_of_its_own(hanging):
    loop = ironloop_loop()
    lookups = [loop.create_task(loop.getaddrinfo(f"host{number}.example", 1)) for number in range(32)]
    loop.run_until_complete(until(lambda: len(hanging.asked) == 32))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            socket.getaddrinfo = lambda *rest, **options: "answer"
            task = loop.create_task(loop.getaddrinfo("name.example", 80))
            assert loop.run_until_complete(asyncio.wait_for(task, PATIENCE)) == "answer"
            loop.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    hanging.released.set()
    loop.run_until_complete(asyncio.gather(*lookups))
    loop.close()


def ironloop_loop():
    import ironloop

    return ironloop.new_event_loop()


HANGS = """
import asyncio, socket, time

asked = []

def hang(host, *rest, **options):
    asked.append(host)
    time.sleep(3600)

async def main():
    loop = asyncio.get_running_loop()
    lookups = [asyncio.ensure_future(loop.getaddrinfo("name.example", 1)) for _ in range(40)]
    while len(asked) < 32:
        await asyncio.sleep(0.001)
    print("over")

socket.getaddrinfo = hang
asyncio.run(main())
"""


@needs_ironloop
def test_the_process_ends_while_lookups_hang(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(HANGS)
    done = run_program([*command_for("ironloop"), program])
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", "")
