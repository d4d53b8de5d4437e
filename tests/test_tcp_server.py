"""create_server and the server object."""

import asyncio
import errno
import gc
import os
import resource
import socket
import sys

import pytest
from support import HOST, PATIENCE, Echo, Recorder, open_descriptors, reset, serving, until

# A loopback address that no other process uses: nobody else takes a port of it that was given up.
OWN_HOST = f"127.1.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"


async def create_server(factory=Echo, *arguments, **options):
    return await asyncio.get_running_loop().create_server(factory, *(arguments or (HOST, 0)), **options)


async def greet(address):
    """One connection, one echo."""
    reader, writer = await asyncio.open_connection(*address[:2])
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()


def test_a_server_serves_until_it_is_closed(run):
    async def main():
        server = await create_server(Echo, OWN_HOST, 0)
        assert isinstance(server, asyncio.AbstractServer)
        assert server.get_loop() is asyncio.get_running_loop()
        assert server.is_serving()
        (sock,) = server.sockets
        assert isinstance(sock, asyncio.trsock.TransportSocket)
        address = sock.getsockname()
        await greet(address)
        server.close()
        assert not server.is_serving()
        assert server.sockets == ()
        await server.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        server.close()

    run(main)


def test_a_server_on_several_hosts(run):
    async def main():
        async with await create_server(Echo, ["127.0.0.1", "127.0.0.2"], 0) as server:
            addresses = [sock.getsockname() for sock in server.sockets]
            assert sorted(host for host, _ in addresses) == ["127.0.0.1", "127.0.0.2"]
            for address in addresses:
                await greet(address)

    run(main)


@pytest.mark.parametrize("host", [None, "", "0.0.0.0"])
def test_a_server_on_every_interface(run, host):
    async def main():
        async with await create_server(Echo, host, 0) as server:
            port = next(sock.getsockname()[1] for sock in server.sockets if sock.family == socket.AF_INET)
            await greet((HOST, port))

    run(main)


def test_a_server_on_a_socket_of_ones_own(run):
    async def main():
        sock = socket.socket()
        sock.bind((HOST, 0))
        async with await asyncio.get_running_loop().create_server(Echo, sock=sock) as server:
            assert server.sockets[0].fileno() == sock.fileno()
            await greet(sock.getsockname())
        assert sock.fileno() == -1

    run(main)


def test_start_serving_later(run):
    async def main():
        server = await create_server(start_serving=False)
        assert not server.is_serving()
        address = server.sockets[0].getsockname()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        await server.start_serving()
        await server.start_serving()
        assert server.is_serving()
        await greet(address)
        server.close()
        await server.wait_closed()

    run(main)


def test_serve_forever_serves_until_cancelled(run):
    async def main():
        server = await create_server(start_serving=False)
        address = server.sockets[0].getsockname()
        serving_task = asyncio.create_task(server.serve_forever())
        await until(server.is_serving)
        await greet(address)
        with pytest.raises(RuntimeError, match=r"is already being awaited on serve_forever\(\)"):
            await server.serve_forever()
        serving_task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving_task
        assert not server.is_serving()
        with pytest.raises(RuntimeError, match="is closed"):
            await server.serve_forever()

    run(main)


def test_leaving_async_with_closes(run):
    async def main():
        async with await create_server() as server:
            await greet(server.sockets[0].getsockname())
        assert not server.is_serving()

    run(main)


def test_connections_outlive_a_closed_server(run):
    async def main():
        server = await create_server()
        _, client = await asyncio.get_running_loop().create_connection(
            Recorder, *server.sockets[0].getsockname()
        )
        client.transport.write(b"before")
        await client.received(6)
        server.close()
        client.transport.write(b"after")
        assert await client.received(11) == b"beforeafter"
        client.transport.close()
        await client.lost
        await server.wait_closed()

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 12, 1), reason="before Python 3.12.1 it did not wait")
def test_wait_closed_waits_for_the_connections(run):
    async def main():
        accepted = asyncio.get_running_loop().create_future()

        class Server(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                accepted.set_result(self)

        server = await create_server(Server)
        _, client = await asyncio.get_running_loop().create_connection(
            Recorder, *server.sockets[0].getsockname()
        )
        far = await accepted
        server.close()
        waiting = asyncio.create_task(server.wait_closed())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        client.transport.close()
        await waiting
        assert far.calls[-1] == "lost"
        await client.lost

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="came with Python 3.13")
def test_close_clients_closes_their_transports(run):
    async def main():
        accepted = []

        class Server(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                accepted.append(self)

        server = await create_server(Server)
        _, client = await asyncio.get_running_loop().create_connection(
            Recorder, *server.sockets[0].getsockname()
        )
        await until(lambda: accepted)
        server.close()
        server.close_clients()
        await server.wait_closed()
        assert await client.lost is None
        assert client.calls == ["made", "eof", "lost"]

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="came with Python 3.13")
def test_abort_clients_does_not_wait_for_unsent_data(run):
    async def main():
        full = []

        class Full(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                transport.write(bytes(20_000_000))

            def pause_writing(self):
                full.append(self)

        server = await create_server(Full)
        _, client = await asyncio.get_running_loop().create_connection(
            Recorder, *server.sockets[0].getsockname()
        )
        client.transport.pause_reading()
        await until(lambda: full)
        server.close()
        server.close_clients()  # has to wait: the client does not read
        waiting = asyncio.create_task(server.wait_closed())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        server.abort_clients()
        await waiting
        client.transport.abort()
        await client.lost

    run(main)


def test_reuse_port_shares_a_port(run):
    async def main():
        async with await create_server(reuse_port=True) as first:
            address = first.sockets[0].getsockname()
            async with await create_server(Echo, *address, reuse_port=True):
                for _ in range(5):
                    await greet(address)
            with pytest.raises(OSError, match="error while attempting to bind on address") as caught:
                await create_server(Echo, *address)
            assert caught.value.errno == errno.EADDRINUSE

    run(main)


def test_a_port_in_use_leaves_no_socket_behind(run):
    async def main():
        async with serving(Echo) as address:
            before = open_descriptors()
            with pytest.raises(OSError, match="address already in use"):
                await create_server(Echo, ["127.0.0.2", address[0]], address[1])
            assert open_descriptors() == before

    run(main)


def test_arguments_that_contradict_each_other(run):
    async def main():
        with socket.socket() as sock, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            with pytest.raises(ValueError, match="host/port and sock can not be specified at the same time"):
                await create_server(Echo, HOST, 0, sock=sock)
            with pytest.raises(ValueError, match="Neither host/port nor sock were specified"):
                await asyncio.get_running_loop().create_server(Echo)
            with pytest.raises(ValueError, match="A Stream Socket was expected"):
                await asyncio.get_running_loop().create_server(Echo, sock=datagrams)
            with pytest.raises(TypeError, match="ssl argument must be an SSLContext or None"):
                await create_server(ssl=True)
            with pytest.raises(ValueError, match="ssl_handshake_timeout is only meaningful with ssl"):
                await create_server(ssl_handshake_timeout=1)

    run(main)


def test_many_clients_at_once(run):
    async def main():
        async with serving(Echo, backlog=500) as address:
            await asyncio.gather(*(greet(address) for _ in range(300)))

    run(main)


@pytest.mark.usefixtures("without_debug")  # asyncio keeps the error, and with it the connection
@pytest.mark.filterwarnings("ignore:unclosed <socket")  # asyncio leaves it to the garbage collector
def test_a_factory_that_raises_costs_one_connection(run):
    calls = []

    def factory():
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("the first")
        return Echo()

    async def main():
        async with serving(factory) as address:
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            await greet(address)

    run(main)


@pytest.mark.filterwarnings("ignore:unclosed <socket")
def test_a_factory_that_raises_is_reported_in_debug(loop):
    contexts = []
    loop.set_debug(True)
    loop.set_exception_handler(lambda loop, context: contexts.append(context))

    def factory():
        raise KeyError("the factory")

    async def main():
        async with serving(factory) as address:
            _, writer = await asyncio.open_connection(*address)
            await until(lambda: contexts)
            writer.close()
            await writer.wait_closed()

    loop.run_until_complete(main())
    assert [context["message"] for context in contexts] == [
        "Error on transport creation for incoming connection"
    ]
    contexts.clear()
    gc.collect()


def test_many_at_once_after_many_one_by_one(run):
    async def main():
        server = await asyncio.start_server(echo_once, HOST, 0)
        address = server.sockets[0].getsockname()

        async def ask(number):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"%d\n" % number)
            answer = await reader.readline()
            writer.close()
            return int(answer)

        for number in range(20):
            assert await ask(number) == number
        assert await asyncio.gather(*map(ask, range(50))) == list(range(50))
        assert await ask(1) == 1
        server.close()

    async def echo_once(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    run(main)


def test_a_client_that_resets_before_it_is_accepted(run):
    async def main():
        server = await create_server(start_serving=False)
        await server.start_serving()
        address = server.sockets[0].getsockname()
        for _ in range(10):
            reset(socket.create_connection(address))
        await greet(address)
        server.close()
        await server.wait_closed()

    run(main)


def test_running_out_of_descriptors_while_accepting(loop):
    """The server reports it, waits, and lives on."""
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main():
        async with serving(Echo) as address:
            await greet(address)
            clients = [socket.socket() for _ in range(5)]
            lowest_free = os.dup(0)
            os.close(lowest_free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
            try:
                for client in clients:
                    client.connect(address)
                    client.send(b"hello")
                    client.setblocking(False)
                await until(lambda: contexts)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for client in clients:
                async with asyncio.timeout(PATIENCE):
                    assert await loop.sock_recv(client, 5) == b"hello"
                client.close()
            await greet(address)

    loop.run_until_complete(main())
    assert contexts[0]["message"] == "socket.accept() out of system resource"
    assert contexts[0]["exception"].errno == errno.EMFILE


def test_the_address_is_free_again_after_close(run):
    async def main():
        address = (OWN_HOST, 0)
        for _ in range(3):
            async with await create_server(Echo, *address) as server:
                address = server.sockets[0].getsockname()
                await greet(address)

    run(main)
