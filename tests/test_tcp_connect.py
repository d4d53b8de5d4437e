"""create_connection: addresses, sockets, Happy Eyeballs, errors and cancelling."""

import asyncio
import contextlib
import errno
import os
import socket
import sys

import pytest
from support import (
    HOST,
    PATIENCE,
    Echo,
    Recorder,
    await_readable,
    open_descriptors,
    refusing_address,
    serving,
    until,
)


@contextlib.contextmanager
def unanswering_address():
    """An address where a connect neither succeeds nor fails: its listener's queue is full."""
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind((HOST, 0))
        listener.listen(0)  # room for one
        filler.connect(listener.getsockname())
        await_readable(listener)
        yield listener.getsockname()


@pytest.fixture
def resolve_to(monkeypatch):
    """``resolve_to(address, ...)``: every name is at these addresses, in this order."""

    def use(*addresses):
        def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
            return [
                (socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
                for address in addresses
            ]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return use


def new_sockets(before):
    """What was opened since ``before``, an outcome of ``open_descriptors``."""
    return {entry for entry in open_descriptors() - before if "socket:" in entry}


async def close(protocol):
    protocol.transport.close()
    await protocol.lost


def test_it_connects_and_returns_transport_and_protocol(run):
    async def main():
        async with serving(Echo) as address:
            transport, protocol = await asyncio.get_running_loop().create_connection(Recorder, *address)
            assert isinstance(transport, asyncio.Transport)
            assert protocol.transport is transport
            assert protocol.calls == ["made"]
            transport.write(b"there and back")
            assert await protocol.received(14) == b"there and back"
            await close(protocol)

    run(main)


def test_it_connects_by_name(run, resolve_to):
    async def main():
        async with serving(Echo) as address:
            resolve_to(address)
            _, protocol = await asyncio.get_running_loop().create_connection(Recorder, "name.example", 80)
            assert protocol.transport.get_extra_info("peername") == address
            await close(protocol)

    run(main)


def test_it_takes_a_connected_socket(run):
    async def main():
        async with serving(Echo) as address:
            sock = socket.create_connection(address)
            transport, protocol = await asyncio.get_running_loop().create_connection(Recorder, sock=sock)
            assert transport.get_extra_info("socket").fileno() == sock.fileno()
            transport.write(b"x")
            await protocol.received(1)
            await close(protocol)
            assert sock.fileno() == -1

    run(main)


def test_it_binds_to_the_local_address(run):
    async def main():
        async with serving(Echo) as address:
            _, protocol = await asyncio.get_running_loop().create_connection(
                Recorder, *address, local_addr=("127.0.0.3", 0)
            )
            assert protocol.transport.get_extra_info("sockname")[0] == "127.0.0.3"
            await close(protocol)

    run(main)


def test_a_local_address_that_is_taken_is_an_error(run):
    async def main():
        async with serving(Echo) as address:
            with pytest.raises(OSError, match="error while attempting to bind on address"):
                await asyncio.get_running_loop().create_connection(Recorder, *address, local_addr=address)

    run(main)


def test_a_refused_connection_raises(run):
    async def main():
        with refusing_address() as address, pytest.raises(ConnectionRefusedError) as caught:
            await asyncio.get_running_loop().create_connection(Recorder, *address)
        assert caught.value.errno == errno.ECONNREFUSED
        assert "Connect call failed" in str(caught.value)
        assert str(address[1]) in str(caught.value)

    run(main)


def test_a_name_that_is_not_known_raises(run, monkeypatch):
    def getaddrinfo(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def main():
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with pytest.raises(socket.gaierror):
            await asyncio.get_running_loop().create_connection(Recorder, "name.example", 80)

    run(main)


def test_the_next_address_is_tried_after_a_failure(run, resolve_to):
    async def main():
        async with serving(Echo) as address:
            with refusing_address() as refusing:
                resolve_to(refusing, address)
                _, protocol = await asyncio.get_running_loop().create_connection(Recorder, "name.example", 80)
            assert protocol.transport.get_extra_info("peername") == address
            await close(protocol)

    run(main)


def test_when_all_addresses_fail_the_error_names_them(run, resolve_to):
    async def main():
        with refusing_address() as first, refusing_address() as second:
            resolve_to(first, second)
            with pytest.raises(
                OSError, match=r"Multiple exceptions: .*Connect call failed.*Connect call failed"
            ) as caught:
                await asyncio.get_running_loop().create_connection(Recorder, "name.example", 80)
            assert all(str(port) in str(caught.value) for _, port in (first, second))

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="all_errors came with Python 3.12")
def test_all_errors_raises_a_group(run, resolve_to):
    async def main():
        with refusing_address() as first, refusing_address() as second:
            resolve_to(first, second)
            with pytest.raises(ExceptionGroup, match="create_connection failed") as caught:
                await asyncio.get_running_loop().create_connection(
                    Recorder, "name.example", 80, all_errors=True
                )
        assert [type(error) for error in caught.value.exceptions] == [ConnectionRefusedError] * 2

    run(main)


def test_happy_eyeballs_does_not_wait_for_a_silent_address(run, resolve_to):
    async def main():
        with unanswering_address() as silent:
            async with serving(Echo) as address, asyncio.timeout(PATIENCE):
                resolve_to(silent, address)
                _, protocol = await asyncio.get_running_loop().create_connection(
                    Recorder, "name.example", 80, happy_eyeballs_delay=0.01
                )
                assert protocol.transport.get_extra_info("peername") == address
                await close(protocol)

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_happy_eyeballs_goes_on_at_once_after_a_failure(run, resolve_to):
    async def main():
        async with serving(Echo) as address, asyncio.timeout(PATIENCE):
            with refusing_address() as refusing:
                resolve_to(refusing, address)
                _, protocol = await asyncio.get_running_loop().create_connection(
                    Recorder, "name.example", 80, happy_eyeballs_delay=3600
                )
            await close(protocol)

    run(main)


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="the order shows in all_errors, which came with Python 3.12"
)
@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="this machine has no IPv6")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["127.0.0.1", "127.0.0.2", "::1", "::1"]),
        ({"interleave": 1}, ["127.0.0.1", "::1", "127.0.0.2", "::1"]),
        ({"interleave": 2}, ["127.0.0.1", "127.0.0.2", "::1", "::1"]),
        ({"happy_eyeballs_delay": 3600}, ["127.0.0.1", "::1", "127.0.0.2", "::1"]),
        ({"happy_eyeballs_delay": 3600, "interleave": 0}, ["127.0.0.1", "127.0.0.2", "::1", "::1"]),
    ],
)
def test_families_interleave(run, resolve_to, options, expected):
    async def main():
        with socket.socket(socket.AF_INET6) as taken:  # for every address: nobody else takes the port
            taken.bind(("::", 0))
            port = taken.getsockname()[1]
            resolve_to(("127.0.0.1", port), ("127.0.0.2", port), ("::1", port, 0, 0), ("::1", port, 0, 0))
            with pytest.raises(ExceptionGroup) as caught:
                await asyncio.get_running_loop().create_connection(
                    Recorder, "name.example", 80, all_errors=True, **options
                )
            for error, host in zip(caught.value.exceptions, expected, strict=True):
                assert f"'{host}'" in str(error)

    run(main)


@pytest.mark.parametrize("delay", [None, 0.01])
def test_cancel_in_the_middle_of_a_connect_leaves_nothing(run, resolve_to, delay):
    async def main():
        with unanswering_address() as silent:
            resolve_to(silent, silent)
            before = open_descriptors()
            connecting = asyncio.create_task(
                asyncio.get_running_loop().create_connection(
                    Recorder, "name.example", 80, happy_eyeballs_delay=delay
                )
            )
            # With Happy Eyeballs the second attempt begins beside the first.
            await until(lambda: len(new_sockets(before)) == (1 if delay is None else 2))
            assert not connecting.done()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            await asyncio.sleep(0)
            assert new_sockets(before) == set()

    run(main)


def test_a_timeout_on_a_connect(run):
    async def main():
        with unanswering_address() as silent:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.open_connection(*silent), 0.05)

    run(main)


@pytest.mark.filterwarnings("ignore:unclosed <socket")  # asyncio leaves it to the garbage collector
def test_a_protocol_factory_that_raises_closes_the_socket(run):
    def factory():
        raise KeyError("the factory")

    async def main():
        async with serving(Echo) as address:
            with pytest.raises(KeyError, match="the factory"):
                await asyncio.get_running_loop().create_connection(factory, *address)

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_arguments_that_contradict_each_other(run):
    async def main():
        connect = asyncio.get_running_loop().create_connection
        with socket.socket() as sock, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            with pytest.raises(ValueError, match="host/port and sock can not be specified at the same time"):
                await connect(Recorder, HOST, 80, sock=sock)
            with pytest.raises(ValueError, match="host and port was not specified and no sock specified"):
                await connect(Recorder)
            with pytest.raises(ValueError, match="server_hostname is only meaningful with ssl"):
                await connect(Recorder, HOST, 80, server_hostname="name")
            with pytest.raises(
                ValueError, match="You must set server_hostname when using ssl without a host"
            ):
                await connect(Recorder, sock=sock, ssl=True)
            with pytest.raises(ValueError, match="ssl_handshake_timeout is only meaningful with ssl"):
                await connect(Recorder, HOST, 80, ssl_handshake_timeout=1)
            with pytest.raises(ValueError, match="A Stream Socket was expected"):
                await connect(Recorder, sock=datagrams)

    run(main)


def test_connect_accepted_socket(run):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.create_server((HOST, 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
        with client:
            transport, protocol = await loop.connect_accepted_socket(Echo, accepted)
            client.sendall(b"hello")
            await protocol.received(5)
            client.settimeout(PATIENCE)
            assert client.recv(5) == b"hello"
            transport.close()
            await protocol.lost
        with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            with pytest.raises(ValueError, match="A Stream Socket was expected"):
                await loop.connect_accepted_socket(Echo, datagrams)

    run(main)
