"""Programs that meet the faults of a network, and note what they see of them."""

import asyncio
import errno
import socket
import struct

PROGRAMS = []


def program(function):
    PROGRAMS.append(function)
    return function


class Noting(asyncio.Protocol):
    def __init__(self, seen, name):
        self.seen, self.name = seen, name
        self.ended = asyncio.get_running_loop().create_future()

    def note(self, *what):
        self.seen.append((self.name, *what))

    def connection_made(self, transport):
        self.transport = transport
        self.note("made")

    def data_received(self, data):
        self.note("data", bytes(data))

    def eof_received(self):
        self.note("eof")

    def pause_writing(self):
        self.note("pause")

    def resume_writing(self):
        self.note("resume")

    def connection_lost(self, error):
        self.note("lost", type(error))
        self.ended.set_result(None)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def listening():
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


async def pair():
    """A client's and a server's socket, connected."""
    loop = asyncio.get_running_loop()
    with listening() as listener:
        client = socket.socket()
        client.setblocking(False)
        _, (server, _) = await asyncio.gather(
            loop.sock_connect(client, listener.getsockname()), loop.sock_accept(listener)
        )
    return client, server


async def outcome(seen, awaitable):
    try:
        result = await awaitable
    except OSError as error:
        seen.append((type(error), error.errno))
    else:
        seen.append(result)


def attempt(seen, function, *args):
    try:
        seen.append(function(*args))
    except OSError as error:
        seen.append((type(error), error.errno))


async def arrives(sock):
    """Something has arrived at a socket: bytes, the end, or an error."""
    arrived = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(sock, lambda: arrived.done() or arrived.set_result(None))
    try:
        await arrived
    finally:
        asyncio.get_running_loop().remove_reader(sock)


@program
async def nobody_listens(seen):
    with listening() as sock:
        address = sock.getsockname()
    await outcome(seen, asyncio.open_connection(*address))
    client = socket.socket()
    client.setblocking(False)
    attempt(seen, client.connect, address)
    await until(lambda: client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED)
    client.close()


@program
async def the_address_is_in_use(seen):
    with listening() as sock, socket.socket() as other:
        attempt(seen, other.bind, sock.getsockname())
        attempt(seen, sock.bind, ("127.0.0.1", 0))
        await outcome(seen, asyncio.start_server(print, *sock.getsockname()))


@program
async def the_peer_closes(seen):
    client, server = await pair()
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(server, b"bye")
    server.close()
    await arrives(client)
    await outcome(seen, loop.sock_recv(client, 10))
    await outcome(seen, loop.sock_recv(client, 10))
    # The first is answered by a reset.
    await outcome(seen, loop.sock_sendall(client, b"hello"))
    await asyncio.sleep(0.1)
    await outcome(seen, loop.sock_sendall(client, b"hello"))
    await outcome(seen, loop.sock_recv(client, 10))
    client.close()


@program
async def the_peer_closes_with_unread_data(seen):
    client, server = await pair()
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, b"question")
    await arrives(server)
    await loop.sock_sendall(server, b"answer")
    await arrives(client)
    server.close()
    await asyncio.sleep(0.1)
    for _ in range(3):
        await outcome(seen, loop.sock_recv(client, 10))
    await outcome(seen, loop.sock_sendall(client, b"more"))
    client.close()


@program
async def a_reset_is_met_by_a_write(seen):
    client, server = await pair()
    loop = asyncio.get_running_loop()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    await asyncio.sleep(0.1)
    for _ in range(2):
        await outcome(seen, loop.sock_sendall(client, b"more"))
    await outcome(seen, loop.sock_recv(client, 10))
    client.close()


@program
async def half_closed(seen):
    client, server = await pair()
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, b"question")
    client.shutdown(socket.SHUT_WR)
    await arrives(server)
    await outcome(seen, loop.sock_recv(server, 100))
    await outcome(seen, loop.sock_recv(server, 100))
    await outcome(seen, loop.sock_sendall(client, b"more"))
    await outcome(seen, loop.sock_sendall(server, b"answer"))
    await arrives(client)
    await outcome(seen, loop.sock_recv(client, 100))
    server.close()
    await outcome(seen, loop.sock_recv(client, 100))
    client.close()


@program
async def sockets_without_a_connection(seen):
    with socket.socket() as sock:
        sock.setblocking(False)
        for call in (sock.getpeername, lambda: sock.recv(1), lambda: sock.send(b"x"), sock.accept):
            attempt(seen, call)
        attempt(seen, sock.shutdown, socket.SHUT_WR)
        attempt(seen, sock.getsockname)
    attempt(seen, sock.getsockname)


@program
async def a_socket_that_is_connected(seen):
    client, server = await pair()
    for _ in range(3):
        attempt(seen, client.connect, server.getsockname())
    attempt(seen, server.connect, client.getsockname())
    seen.append(client.getpeername() == server.getsockname())
    seen.append(server.getpeername() == client.getsockname())
    attempt(seen, client.recv, 1)
    copy = client.dup()
    client.close()
    seen.append(copy.getpeername() == server.getsockname())
    copy.close()
    server.close()


@program
async def a_protocol_is_reset(seen):
    loop = asyncio.get_running_loop()
    client, server = await pair()
    _, noting = await loop.create_connection(lambda: Noting(seen, "client"), sock=client)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    await noting.ended


@program
async def a_protocol_writes_to_who_has_closed(seen):
    loop = asyncio.get_running_loop()

    class Staying(Noting):
        def eof_received(self):
            super().eof_received()
            return True

    client, server = await pair()
    transport, noting = await loop.create_connection(lambda: Staying(seen, "client"), sock=client)
    server.close()
    await until(lambda: ("client", "eof") in seen)
    transport.write(b"first")
    await asyncio.sleep(0.1)
    transport.write(b"second")
    await noting.ended


@program
async def a_protocol_aborts(seen):
    loop = asyncio.get_running_loop()
    client, server = await pair()
    transport, noting = await loop.create_connection(lambda: Noting(seen, "client"), sock=client)
    _, other = await loop.create_connection(lambda: Noting(seen, "server"), sock=server)
    transport.write(b"last words")
    await until(lambda: ("server", "data", b"last words") in seen)
    transport.abort()
    await noting.ended
    await other.ended


@program
async def who_does_not_read_holds_the_writer(seen):
    loop = asyncio.get_running_loop()
    client, server = await pair()
    transport, noting = await loop.create_connection(lambda: Noting(seen, "client"), sock=client)
    total = 0
    while ("client", "pause") not in seen:
        transport.write(bytes(65536))
        total += 65536
        await asyncio.sleep(0.0001)
    while total:
        total -= len(await loop.sock_recv(server, 1 << 20))
    await until(lambda: ("client", "resume") in seen)
    transport.close()
    await noting.ended
    server.close()


@program
async def streams_that_end_early(seen):
    async def serve(reader, writer):
        writer.write(b"half a li")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        seen.append(error.partial)
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    await outcome(seen, asyncio.open_connection(*writer.get_extra_info("peername")))


@program
async def a_server_goes_while_somebody_waits_to_be_accepted(seen):
    loop = asyncio.get_running_loop()
    listener, client = listening(), socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, listener.getsockname())
    listener.close()
    await arrives(client)
    await outcome(seen, loop.sock_recv(client, 10))
    client.close()


class Datagrams(Noting):
    def datagram_received(self, data, address):
        self.note("datagram", data, address == self.transport.get_extra_info("peername"))

    def error_received(self, error):
        self.note("error", type(error))


@program
async def datagrams_to_nobody(seen):
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()
    transport, noting = await loop.create_datagram_endpoint(
        lambda: Datagrams(seen, "client"), remote_addr=address
    )
    transport.sendto(b"anybody?")
    await until(lambda: ("client", "error", ConnectionRefusedError) in seen)
    transport.close()
    await noting.ended
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        attempt(seen, sock.getpeername)
        attempt(seen, sock.send, b"x")
        attempt(seen, sock.recv, 10)
        attempt(seen, sock.sendto, bytes(70000), address)


@program
async def datagrams_there_and_back(seen):
    loop = asyncio.get_running_loop()

    class Echo(Datagrams):
        def datagram_received(self, data, address):
            self.transport.sendto(data.upper(), address)

    server, echo = await loop.create_datagram_endpoint(
        lambda: Echo(seen, "server"), local_addr=("127.0.0.1", 0)
    )
    client, noting = await loop.create_datagram_endpoint(
        lambda: Datagrams(seen, "client"), remote_addr=server.get_extra_info("sockname")
    )
    client.sendto(b"one")
    await until(lambda: len(seen) > 2)
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        await loop.sock_sendto(sock, b"two", server.get_extra_info("sockname"))
        seen.append((await loop.sock_recvfrom(sock, 100)) == (b"TWO", server.get_extra_info("sockname")))
    server.close()
    client.close()
    await asyncio.gather(echo.ended, noting.ended)


@program
async def a_listener_of_both_families(seen):
    loop = asyncio.get_running_loop()
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        for family, host in (
            (socket.AF_INET, "127.0.0.1"),
            (socket.AF_INET6, "::1"),
            (socket.AF_INET6, "::ffff:127.0.0.1"),
        ):
            client = socket.socket(family)
            client.setblocking(False)
            accepting = asyncio.ensure_future(loop.sock_accept(listener))
            await loop.sock_connect(client, (host, port))
            server, address = await accepting
            seen.append((server.family, address[0], server.getsockname()[0], server.getpeername()[0]))
            seen.append((client.getsockname()[0], client.getpeername()[0]))
            seen.append(address[1] == client.getsockname()[1])
            await loop.sock_sendall(server, b"hello")
            seen.append(await loop.sock_recv(client, 10))
            server.close()
            client.close()
        with socket.socket() as other, socket.socket(socket.AF_INET6) as six:
            attempt(seen, other.bind, ("127.0.0.1", port))
            attempt(seen, other.bind, ("0.0.0.0", port))
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            attempt(seen, six.bind, ("::", port))
            attempt(seen, six.bind, ("::1", port))


@program
async def a_listener_of_ipv6_alone(seen):
    with socket.socket() as other, socket.socket(socket.AF_INET6) as six:
        # Bound first: a port that is free for IPv6 may be that of another process for IPv4.
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        server = await asyncio.start_server(print, "::", port)
        await outcome(seen, asyncio.open_connection("127.0.0.1", port))
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        six.setblocking(False)
        attempt(seen, six.connect, ("::ffff:127.0.0.1", port))
    server.close()
    await server.wait_closed()


@program
async def datagrams_of_both_families(seen):
    loop = asyncio.get_running_loop()

    class Echo(Datagrams):
        def datagram_received(self, data, address):
            seen.append((data, address[0], len(address)))
            self.transport.sendto(data.upper(), address)

    server, echo = await loop.create_datagram_endpoint(lambda: Echo(seen, "server"), local_addr=("::", 0))
    port = server.get_extra_info("sockname")[1]
    for host in ("127.0.0.1", "::1"):
        client, noting = await loop.create_datagram_endpoint(
            lambda: Datagrams(seen, "client"), remote_addr=(host, port)
        )
        client.sendto(b"hello")
        await until(lambda: ("client", "datagram", b"HELLO", True) in seen[-1:])
        client.close()
        await noting.ended
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        attempt(seen, other.bind, ("127.0.0.1", port))
    server.close()
    await echo.ended


@program
async def several_listen_on_one_port(seen):
    counts = [0, 0]

    def serving(number):
        async def count(reader, writer):
            counts[number] += 1
            writer.close()

        return asyncio.start_server(count, "127.0.0.1", port, reuse_port=True)

    async def ask(times):
        for _ in range(times):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reader.read()
            writer.close()

    with listening() as sock:
        port = sock.getsockname()[1]
        await outcome(seen, serving(0))
    servers = [await serving(0), await serving(1)]
    await outcome(seen, asyncio.start_server(print, "127.0.0.1", port))
    await ask(40)
    seen.append((sum(counts), min(counts) > 0))
    servers[0].close()
    await servers[0].wait_closed()
    counts[:] = 0, 0
    await ask(5)
    seen.append(counts)
    servers[1].close()
    await servers[1].wait_closed()
    await outcome(seen, asyncio.open_connection("127.0.0.1", port))
    with socket.socket() as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        attempt(seen, alone.bind, ("127.0.0.1", port))
