"""Datagram endpoints: sending and receiving, errors, and what a protocol and its users see."""

import array
import asyncio
import contextlib
import contextvars
import errno
import gc
import logging
import os
import socket
import warnings
import weakref

import pytest
from datagrams import SENDS_EMPTY, Echo, Recorder, endpoint, name_of, plain_socket
from support import HOST, open_descriptors, until


def test_a_connected_client_and_a_server_echo(run):
    async def main():
        async with endpoint(Echo) as server:
            async with endpoint(remote_addr=name_of(server)) as client:
                client.transport.sendto(b"one")
                client.transport.sendto(b"two", name_of(server))
                assert await client.datagrams(2) == [b"one", b"two"]
                assert client.received[0][1] == name_of(server)
                assert server.received[0] == (b"one", name_of(client))
                client.transport.close()
                assert client.calls[-1] == "datagram"
                assert await client.lost is None
                assert client.calls == ["made", "datagram", "datagram", "lost"]

    run(main)


def test_endpoints_without_peers_send_anywhere(run):
    async def main():
        async with endpoint() as one, endpoint() as two, endpoint(Echo) as server:
            for number in range(10):
                for client in (one, two):
                    client.transport.sendto(b"%d" % number, name_of(server))
            for client in (one, two):
                assert sorted(await client.datagrams(10)) == [b"%d" % number for number in range(10)]
                assert {address for _, address in client.received} == {name_of(server)}
            assert {address for _, address in server.received} == {name_of(one), name_of(two)}
            assert type(server.received[0][0]) is bytes

    run(main)


def test_many_peers_are_told_from_each_other(run):
    """Each has its own address, and its own answer, also a late one."""

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(endpoint())
            clients = [await stack.enter_async_context(endpoint()) for _ in range(80)]
            for number in range(3):
                for client in clients:
                    client.transport.sendto(b"%d" % number, name_of(server))
                await server.datagrams(len(clients) * (number + 1))
            for data, address in reversed(server.received):
                server.transport.sendto(b"%s to %d" % (data, address[1]), address)
            for client in clients:
                expected = [b"%d to %d" % (number, name_of(client)[1]) for number in range(3)]
                assert sorted(await client.datagrams(3)) == expected

    run(main)


def test_late_answers_reach_whom_they_are_for(run):
    async def main():
        async with endpoint() as one, endpoint() as two, endpoint() as server:
            for client, question in ((one, b"1"), (two, b"2")):
                client.transport.sendto(question, name_of(server))
                await until(lambda question=question: question in [data for data, _ in server.received])
            for data, address in server.received:
                server.transport.sendto(b"answer to " + data, address)
            assert await one.datagrams(1) == [b"answer to 1"]
            assert await two.datagrams(1) == [b"answer to 2"]

    run(main)


def test_a_socket_that_overrides_its_methods_is_asked(run):
    class Shifted(socket.socket):
        def recvfrom(self, size):
            data, address = super().recvfrom(size)
            return bytes(byte - 1 for byte in data), address

        def sendto(self, data, address):
            return super().sendto(bytes(byte + 1 for byte in data), address)

    async def main():
        with Shifted(socket.AF_INET, socket.SOCK_DGRAM) as shifted, plain_socket() as peer:
            shifted.bind((HOST, 0))
            async with endpoint(sock=shifted) as client:
                client.transport.sendto(b"abc", peer.getsockname())
                data, address = peer.recvfrom(100)
                assert data == b"bcd"
                peer.sendto(b"bcd", address)
                assert await client.datagrams(1) == [b"abc"]

    run(main)


def test_broadcasting_takes_an_option(run):
    async def main():
        everybody = ("127.255.255.255", 9)
        async with endpoint() as shy:
            shy.transport.sendto(b"x", everybody)
            assert isinstance(await shy.error(), PermissionError)
        async with endpoint(allow_broadcast=True) as loud:
            assert loud.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
            loud.transport.sendto(b"x", everybody)
            assert loud.errors == []

    run(main)


def test_reuse_port(run):
    async def main():
        async with endpoint(reuse_port=True) as one:
            async with endpoint(reuse_port=True, local_addr=name_of(one)) as two:
                assert name_of(one) == name_of(two)
                with plain_socket() as peer:
                    peer.sendto(b"x", name_of(one))
                    await until(lambda: one.received or two.received)

    run(main)


def test_a_refused_connection_is_told_and_survived(run):
    async def main():
        with plain_socket() as peer:
            address = peer.getsockname()
            async with endpoint(remote_addr=address) as client:
                near = name_of(client)
                peer.close()
                client.transport.sendto(b"x")
                assert isinstance(await client.error(), ConnectionRefusedError)
                assert not client.transport.is_closing()
                with plain_socket(address=address) as again:
                    client.transport.sendto(b"y")
                    assert again.recvfrom(10) == (b"y", near)

    run(main)


def test_what_is_too_large_is_told_at_once(run):
    async def main():
        async with endpoint(Echo) as server, endpoint(remote_addr=name_of(server)) as client:
            client.transport.sendto(bytes(70_000))
            assert [error.errno for error in client.errors] == [errno.EMSGSIZE]
            largest = os.urandom(65_507)
            client.transport.sendto(largest)
            assert await client.datagrams(1) == [largest]

    run(main)


def test_empty_datagrams(run):
    async def main():
        async with endpoint() as server, endpoint(remote_addr=name_of(server)) as client:
            with plain_socket() as plain:
                plain.sendto(b"", name_of(server))
                plain.sendto(b"x", name_of(server))
            assert await server.datagrams(2) == [b"", b"x"]
            client.transport.sendto(b"")
            client.transport.sendto(b"y")
            await until(lambda: server.received[-1][0] == b"y")
            assert [data for data, _ in server.received[2:]] == ([b"", b"y"] if SENDS_EMPTY else [b"y"])

    run(main)


@pytest.mark.parametrize(
    "data", [b"plain", bytearray(b"plain"), memoryview(b"plain"), memoryview(b"_plain_")[1:6]], ids=repr
)
def test_sendto_takes_bytes_like_objects(run, data):
    async def main():
        async with endpoint() as server, endpoint(remote_addr=name_of(server)) as client:
            client.transport.sendto(data)
            assert await server.datagrams(1) == [b"plain"]

    run(main)


@pytest.mark.parametrize("data", ["text", None, 17, [b"list"], array.array("b", b"array")], ids=repr)
def test_sendto_refuses_anything_else(run, data):
    async def main():
        async with endpoint() as client:
            with pytest.raises(TypeError, match="data argument must be a bytes-like object, not"):
                client.transport.sendto(data, (HOST, 9))
            with pytest.raises(TypeError):
                client.transport.sendto()
            with pytest.raises(TypeError):
                client.transport.sendto(b"x", (HOST, 9), "more")
            assert not client.transport.is_closing()

    run(main)


def test_sendto_after_close(run, caplog):
    caplog.set_level(logging.WARNING, "asyncio")

    async def main():
        async with endpoint() as server:
            async with endpoint(remote_addr=name_of(server)) as client:
                client.transport.close()
                for _ in range(4):
                    client.transport.sendto(b"dropped")
                assert caplog.messages == []
                client.transport.sendto(b"dropped")
                await client.lost
                client.transport.sendto(b"dropped")
                assert caplog.messages == ["socket.send() raised exception."] * 2
            async with endpoint() as client:
                client.transport.close()
                client.transport.sendto(b"last words", name_of(server))
                await client.lost
            assert await server.datagrams(1) == [b"last words"]

    run(main)


def test_sendto_without_a_peer_after_all_is_over(run, loop_name):
    if loop_name == "asyncio":
        pytest.skip("asyncio raises AttributeError: 'NoneType' object has no attribute 'sendto'")

    async def main():
        async with endpoint() as server, endpoint() as client:
            client.transport.close()
            await client.lost
            client.transport.sendto(b"dropped", name_of(server))

    run(main)


def test_extra_info(run):
    async def main():
        async with endpoint() as server, endpoint(remote_addr=name_of(server)) as client:
            near = client.transport.get_extra_info("socket")
            assert isinstance(near, asyncio.trsock.TransportSocket)
            assert near.type == socket.SOCK_DGRAM
            assert client.transport.get_extra_info("sockname") == near.getsockname()
            assert client.transport.get_extra_info("peername") == name_of(server)
            assert server.transport.get_extra_info("peername") is None
            assert server.transport.get_extra_info("peername", "none") is None
            assert server.transport.get_extra_info("unknown", default="default") == "default"
            client.transport.close()
            await client.lost
            assert client.transport.get_extra_info("peername") == name_of(server)
            assert client.transport.get_protocol() is None

    run(main)


def test_a_given_socket_may_be_connected_already(run):
    async def main():
        async with endpoint() as server:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connected:
                connected.connect(name_of(server))
                async with endpoint(sock=connected) as client:
                    client.transport.sendto(b"x")
                    client.transport.sendto(b"y", ("ignored", 0))
                    assert await server.datagrams(2) == [b"x", b"y"]

    run(main)


def test_what_a_transport_is(run, loop_name):
    async def main():
        async with endpoint() as server, endpoint(remote_addr=name_of(server)) as client:
            transport = client.transport
            assert isinstance(transport, asyncio.Transport)
            assert loop_name == "asyncio" or isinstance(transport, asyncio.DatagramTransport)
            transport.note = "mine"
            assert transport.note == "mine"
            assert weakref.ref(transport)() is transport
            fd = transport.get_extra_info("socket").fileno()
            assert transport._sock_fd == transport._sock.fileno() == fd
            assert transport._loop is asyncio.get_running_loop()
            assert transport._protocol is transport.get_protocol() is client
            assert transport._extra["peername"] == transport._address == name_of(server)
            assert transport.max_size == 256 * 1024
            assert list(transport._buffer) == []
            state = f" fd={fd} read=polling write=<idle, bufsize=0>>"
            assert repr(transport).endswith("DatagramTransport" + state)
            transport.close()
            assert transport.is_closing()
            assert f"DatagramTransport closing fd={fd}" in repr(transport)
            await client.lost
            assert repr(transport).endswith(f"DatagramTransport closed fd={fd}>")

    run(main)


def test_the_descriptor_belongs_to_the_transport(run):
    async def main():
        async with endpoint() as client:
            with pytest.raises(RuntimeError, match="is used by transport"):
                asyncio.get_running_loop().add_reader(client.transport._sock_fd, print)

    run(main)


def test_another_protocol_takes_over(run):
    async def main():
        with plain_socket() as peer:
            async with endpoint() as first:
                peer.sendto(b"one", name_of(first))
                await first.datagrams(1)
                second = Recorder()
                first.transport.set_protocol(second)
                assert first.transport.get_protocol() is second
                peer.sendto(b"two", name_of(first))
                assert await second.datagrams(1) == [b"two"]
                first.transport.close()
                await second.lost
                assert first.calls == ["made", "datagram"]
                first.lost.set_result(None)

    run(main)


def test_contexts(run):
    """A protocol runs in copies of the context that its endpoint was made in; its end in the closer's."""
    variable = contextvars.ContextVar("variable", default="none")
    seen = []

    class Looking(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(variable.get())
            variable.set("made")

        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            seen.append(variable.get())
            variable.set(data.decode())

        def connection_lost(self, exc):
            super().connection_lost(exc)
            seen.append(variable.get())

    async def main():
        variable.set("outside")
        with plain_socket() as peer:
            async with endpoint(Looking) as client:
                variable.set("changed")
                for number, data in enumerate([b"one", b"two"]):
                    peer.sendto(data, name_of(client))
                    await client.datagrams(number + 1)
                client.transport.close()
                variable.set("changed again")
                await client.lost
        assert seen == ["outside", "outside", "one", "changed"]

    run(main)


def test_exceptions_of_a_protocol_are_reported_and_survived(loop):
    contexts = []

    class Failing(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            raise ValueError("made")

        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            raise ValueError(data.decode())

        def error_received(self, exc):
            super().error_received(exc)
            raise ValueError("error")

        def connection_lost(self, exc):
            super().connection_lost(exc)
            raise ValueError("lost")

    async def main():
        loop.set_exception_handler(lambda _, context: contexts.append(context))
        with plain_socket() as peer:
            async with endpoint(Failing, remote_addr=peer.getsockname()) as client:
                for data in (b"one", b"two"):
                    peer.sendto(data, name_of(client))
                await client.datagrams(2)
                with pytest.raises(ValueError, match="error"):
                    client.transport.sendto(bytes(70_000))
                peer.close()
                client.transport.sendto(b"x")
                await until(lambda: len(client.errors) == 2)
                client.transport.close()
                await client.lost

    loop.run_until_complete(main())
    assert [str(context["exception"]) for context in contexts] == ["made", "one", "two", "error", "lost"]
    assert all(context["message"].startswith("Exception in callback") for context in contexts)


def test_an_exit_leaves_the_loop(loop):
    class Leaving(Recorder):
        def datagram_received(self, data, addr):
            raise SystemExit(3)

    async def main():
        with plain_socket() as peer:
            async with endpoint(Leaving) as client:
                peer.sendto(b"x", name_of(client))
                await asyncio.get_running_loop().create_future()

    with pytest.raises(SystemExit):
        loop.run_until_complete(main())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.001))


def test_an_unclosed_transport_warns_when_it_goes(loop_factory):
    before = open_descriptors()
    loop = loop_factory()

    async def main():
        await asyncio.get_running_loop().create_datagram_endpoint(Recorder, local_addr=(HOST, 0))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop.run_until_complete(main())
        loop.close()
        del loop
        gc.collect()
    [warning] = [warning for warning in caught if "unclosed transport" in str(warning.message)]
    assert warning.category is ResourceWarning
    assert open_descriptors() == before


def test_transports_and_protocols_go_after_close(loop):
    async def main():
        async with endpoint(Echo) as server, endpoint(remote_addr=name_of(server)) as client:
            client.transport.itself = client.transport
            client.transport.sendto(b"x")
            await client.datagrams(1)
            return [weakref.ref(end) for end in (client, server, client.transport, server.transport)]

    references = loop.run_until_complete(main())
    loop.run_until_complete(asyncio.sleep(0))
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


def test_endpoints_leave_no_descriptor(run):
    async def main():
        for end in ("close", "abort"):
            async with endpoint(Echo) as server, endpoint(remote_addr=name_of(server)) as client:
                client.transport.sendto(b"x")
                await client.datagrams(1)
                getattr(client.transport, end)()
                await client.lost
        with pytest.raises(OSError):
            await asyncio.get_running_loop().create_datagram_endpoint(Recorder, local_addr=("192.0.2.1", 0))

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_debug_mode(loop):
    loop.set_debug(True)

    async def main():
        async with endpoint(Echo) as server, endpoint(remote_addr=name_of(server)) as client:
            client.transport.sendto(b"x")
            assert await client.datagrams(1) == [b"x"]
            client.transport._fatal_error(OSError("reason"), "message")
            assert str(await client.lost) == "reason"

    loop.run_until_complete(main())
