"""getaddrinfo and getnameinfo: literals need no thread, lookups do not queue behind other work."""

import asyncio
import concurrent.futures
import itertools
import socket
import threading

import pytest
from support import PATIENCE, Echo, Recorder, serving

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
        assert await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM) == [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
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
