"""A simulated network: hosts in one process, and what goes wrong between them."""

import asyncio
import socket

import ironloop
import pytest
from conftest import needs_ironloop
from simulated_hosts import asked, connected, echo, now, run, serve

pytestmark = needs_ironloop


# Addresses and names


def test_sockets_say_the_simulated_addresses():
    async def main(sim):
        web, db = sim.host("web"), sim.host("db", address="10.9.8.7")
        peers = []

        async def handle(reader, writer):
            peers.append(writer.get_extra_info("peername"))
            peers.append(writer.get_extra_info("sockname"))
            peers.append(writer.get_extra_info("socket").getpeername())
            await echo(reader, writer)

        db.start(serve, "0.0.0.0", 5432, handle)
        reader, writer = await web.run(connected("db", 5432))
        assert await asked(writer, reader) == b"A\n"
        own, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        assert (own[0], peer) == (web.address, ("10.9.8.7", 5432))
        assert peers == [own, peer, own]
        sock = writer.get_extra_info("socket")
        assert (sock.family, sock.type, sock.getsockname()) == (socket.AF_INET, socket.SOCK_STREAM, own)
        writer.close()

    run(main)


def test_each_host_has_a_loopback_of_its_own():
    async def main(sim):
        one, other = sim.host("one"), sim.host("other")
        one.start(serve, "127.0.0.1")
        other.start(serve, "127.0.0.1")
        reader, writer = await one.run(connected("localhost", 80))
        assert await asked(writer, reader) == b"A\n"
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", 80)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("one", 80)
        with pytest.raises(OSError, match=r"could not bind|assign requested"):
            await asyncio.start_server(echo, one.address, 80)

    run(main)


def test_ipv6_has_the_same():
    async def main(sim):
        host = sim.host("six", address="fd00::6")
        friend = sim.host("friend", address="fd00::7")
        host.start(serve, "::")
        reader, writer = await friend.run(connected("six", 80))
        assert await asked(writer, reader) == b"A\n"
        assert writer.get_extra_info("peername") == ("fd00::6", 80, 0, 0)
        assert writer.get_extra_info("sockname")[0] == "fd00::7"
        writer.close()
        with pytest.raises(OSError, match="unreachable"):
            await asyncio.open_connection("six", 80)

    run(main)


def test_names_are_looked_up_in_virtual_time():
    async def main(sim):
        loop, db = asyncio.get_running_loop(), sim.host("db")
        sim.network.names["primary"] = [db.address]
        sim.network.names["gone"] = []
        before = now()
        (found,) = await loop.getaddrinfo("db", 5432, type=socket.SOCK_STREAM)
        assert found == (socket.AF_INET, socket.SOCK_STREAM, 6, "", (db.address, 5432))
        assert now() > before
        assert (await loop.getaddrinfo("primary", "http", proto=6))[0][4] == (db.address, 80)
        assert await loop.getnameinfo((db.address, 80)) == ("db", "http")
        assert await loop.getnameinfo(("127.0.0.1", 1), socket.NI_NUMERICHOST) == ("127.0.0.1", "tcpmux")
        with pytest.raises(socket.gaierror, match="not known"):
            await loop.getaddrinfo("gone", 80)
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("db", 80, family=socket.AF_INET6)
        found = await loop.getaddrinfo(None, 80, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        assert [each[4][0] for each in found] == ["0.0.0.0", "::"]

    run(main)


def test_what_is_no_host_is_refused():
    with ironloop.simulation(1) as sim:
        sim.host("db")
        with pytest.raises(ValueError, match="there is a host"):
            sim.host("db")
        with pytest.raises(ValueError, match="is the address of"):
            sim.host("other", address=sim.network.host("db").address)
        with pytest.raises(ValueError, match="address"):
            sim.host("other", address="127.0.0.1")
        with pytest.raises(LookupError, match="no host"):
            sim.network.partition("db", "nobody")


# Time


def test_bytes_travel_in_virtual_time_and_keep_their_order():
    async def main(sim):
        server = sim.host("server")
        sim.network.link("server", latency=(1, 3))
        got = []

        async def take(reader, writer):
            got.append(await reader.read())
            writer.close()

        server.start(serve, "0.0.0.0", 80, take)
        _, writer = await connected("server", 80)
        assert 2 <= now() <= 10
        for number in range(100):
            writer.write(b"%d " % number)
            await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(10)
        assert got == [b"".join(b"%d " % number for number in range(100))]

    for seed in range(20):
        run(main, seed)


def test_seeds_differ_in_who_comes_first():
    async def main(sim):
        came = []

        async def note(reader, writer):
            came.append(await reader.read())
            writer.close()

        sim.host("server").start(serve, "0.0.0.0", 80, note)

        async def call(name):
            _, writer = await connected("server", 80)
            writer.write(name)
            writer.close()

        await asyncio.sleep(0.1)
        await asyncio.gather(*(sim.host(name).run(call(name.encode())) for name in "abc"))
        await asyncio.sleep(1)
        return b"".join(came)

    orders = [run(main, seed) for seed in range(30)]
    assert orders == [run(main, seed) for seed in range(30)]
    assert len(set(orders)) == 6


def test_a_narrow_link_is_slow():
    async def main(sim):
        sim.network.link("here", "here", bandwidth=1000)
        server = await asyncio.start_server(echo, "127.0.0.1", 80)
        reader, writer = await asyncio.open_connection("127.0.0.1", 80)
        before = now()
        await asked(writer, reader, bytes(9999) + b"\n")
        assert 20 <= now() - before < 22
        writer.close()
        server.close()

    run(main)


def test_who_does_not_read_holds_the_writer():
    async def main(sim):
        reading = asyncio.Event()

        async def slow(reader, writer):
            await reading.wait()
            while await reader.read(65536):
                await asyncio.sleep(1)
            writer.close()

        sim.host("server").start(serve, "0.0.0.0", 80, slow)
        _, writer = await connected("server", 80)
        writer.write(bytes(4 << 20))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 3600)
        reading.set()
        await writer.drain()
        assert now() > 3600 + 30
        writer.close()
        await writer.wait_closed()

    run(main)


# What goes wrong


def test_a_partition_holds_what_is_sent_until_it_heals():
    async def main(sim):
        sim.host("server").start(serve)
        reader, writer = await connected("server", 80)
        sim.network.partition("server", "here")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asked(writer, reader), 30)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.open_connection("server", 80), 30)
        sim.network.heal()
        assert await reader.readline() == b"A\n"
        assert now() < 60 + 120
        writer.close()

    run(main)


def test_one_way_of_a_partition_stays_open():
    async def main(sim):
        sim.host("server").start(serve)
        reader, writer = await connected("server", 80)
        sim.network.partition("server", oneway=True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asked(writer, reader, b"heard, not answered\n"), 60)
        sim.network.heal("server")
        assert await reader.readline() == b"HEARD, NOT ANSWERED\n"
        writer.close()

    run(main)


def test_who_is_not_answered_gives_up_after_tcps_time():
    async def main(sim):
        sim.host("server").start(serve)
        reader, writer = await connected("server", 80)
        sim.network.partition("server")
        writer.write(b"hello\n")
        with pytest.raises(TimeoutError):
            await reader.readline()
        assert 900 < now() < 1200
        before = now()
        with pytest.raises(TimeoutError):
            await asyncio.open_connection("server", 80)
        assert 120 < now() - before < 140
        writer.close()

    run(main)


def test_a_reset_ends_both_sides():
    async def main(sim):
        ended = []

        async def handle(reader, writer):
            try:
                await reader.readline()
            except ConnectionResetError as error:
                ended.append(error)
            writer.close()

        server = sim.host("server")
        server.start(serve, "0.0.0.0", 80, handle)
        reader, writer = await connected("server", 80)
        await asyncio.sleep(0.1)
        sim.network.reset("server")
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        await asyncio.sleep(0.1)
        assert len(ended) == 1
        writer.close()
        reader, writer = await asyncio.open_connection("server", 80)
        sim.network.reset("here", "here")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 10)
        writer.close()

    run(main)


def test_a_lossy_link_is_late_and_loses_nothing_of_a_stream():
    async def main(sim, loss):
        sim.network.link(loss=loss)
        sim.host("server").start(serve)
        reader, writer = await connected("server", 80)
        for number in range(20):
            assert await asked(writer, reader, b"a%d\n" % number) == b"A%d\n" % number
        writer.close()
        return now()

    assert run(lambda sim: main(sim, 0.5)) > run(lambda sim: main(sim, 0)) + 2


def test_a_full_backlog_is_not_answered():
    async def main(sim):
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0), backlog=2)
        waiting = []
        with pytest.raises(TimeoutError):
            while True:
                sock = socket.socket()
                sock.setblocking(False)
                waiting.append(sock)
                await asyncio.wait_for(loop.sock_connect(sock, listener.getsockname()), 60)
        assert 2 <= len(waiting) <= 5
        listener.setblocking(False)
        accepting = asyncio.create_task(loop.sock_accept(listener))
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.wait_for(loop.sock_connect(sock, listener.getsockname()), 60)
        accepted, _ = await accepting
        for each in (*waiting, sock, accepted, listener):
            each.close()

    run(main)


# Datagrams


class Received(asyncio.DatagramProtocol):
    def __init__(self):
        self.got, self.errors = [], []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.got.append((data, address))

    def error_received(self, error):
        self.errors.append(error)


async def endpoint(host, **options):
    async def make():
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_datagram_endpoint(Received, **options)
        return protocol

    return await host.run(make())


def test_datagrams_are_lost_come_twice_and_overtake_each_other():
    async def main(sim, **changes):
        one, other = sim.host("one"), sim.host("other")
        sim.network.link(one, other, **changes)
        server = await endpoint(other, local_addr=("0.0.0.0", 53))
        client = await endpoint(one, remote_addr=("other", 53))
        for number in range(100):
            client.transport.sendto(b"%d" % number)
            await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        assert {address[0] for _, address in server.got} == {one.address}
        assert {address for _, address in server.got} == {client.transport.get_extra_info("sockname")}
        client.transport.close()
        server.transport.close()
        return [int(data) for data, _ in server.got]

    assert run(lambda sim: main(sim, latency=(0.01, 0.01))) == list(range(100))
    overtaken = run(lambda sim: main(sim, latency=(0.01, 0.1)))
    assert overtaken != list(range(100)) and sorted(overtaken) == list(range(100))
    assert 20 < len(run(lambda sim: main(sim, loss=0.5))) < 80
    assert 120 < len(run(lambda sim: main(sim, duplicate=0.5))) < 180


def test_a_partition_takes_datagrams():
    async def main(sim):
        other = sim.host("other")
        server = await endpoint(other, local_addr=("0.0.0.0", 53))
        client = await endpoint(sim.network.here, local_addr=("0.0.0.0", 0))
        sim.network.partition("other")
        client.transport.sendto(b"lost", (other.address, 53))
        await asyncio.sleep(1)
        sim.network.heal()
        client.transport.sendto(b"found", (other.address, 53))
        await asyncio.sleep(1)
        assert [data for data, _ in server.got] == [b"found"]
        ((_, address),) = server.got
        server.transport.sendto(b"answer", address)
        await asyncio.sleep(1)
        assert client.got == [(b"answer", (other.address, 53))]
        other.crash()
        other.restart()
        again = await endpoint(other, local_addr=("0.0.0.0", 53))
        client.transport.sendto(b"again", (other.address, 53))
        await asyncio.sleep(1)
        assert [data for data, _ in again.got] == [b"again"] and len(server.got) == 1
        for each in (server, client, again):
            each.transport.close()

    run(main)
