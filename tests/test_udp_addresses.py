"""Where datagrams go to and come from: families, names, and addresses that are none."""

import os
import socket
import struct

import pytest
from datagrams import Echo, endpoint, name_of, plain_socket, socket_directory
from support import HOST


def has_ipv6():
    try:
        with plain_socket(socket.AF_INET6, ("::1", 0)):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on the loopback interface")


@pytest.mark.parametrize("host", ["localhost", "127.1", b"127.0.0.1"], ids=str)
def test_addresses_that_are_no_literals_are_resolved(run, host):
    async def main():
        async with endpoint(Echo) as server, endpoint() as client:
            client.transport.sendto(b"x", (host, name_of(server)[1]))
            assert await client.datagrams(1) == [b"x"]

    run(main)


@needs_ipv6
def test_ipv6(run):
    async def main():
        async with endpoint(Echo, local_addr=("::1", 0)) as server:
            port = name_of(server)[1]
            async with endpoint(local_addr=("::1", 0)) as client:
                for address in [("::1", port), ("::1", port, 0), ("0:0:0:0:0:0:0:1", port, 0, 0)]:
                    client.transport.sendto(b"x", address)
                await client.datagrams(3)
                assert client.received == [(b"x", ("::1", port, 0, 0))] * 3
            async with endpoint(remote_addr=("::1", port)) as client:
                client.transport.sendto(b"y")
                assert await client.datagrams(1) == [b"y"]
                assert client.transport.get_extra_info("peername") == ("::1", port, 0, 0)

    run(main)


@needs_ipv6
def test_ipv4_over_ipv6(run):
    async def main():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as dual:
            dual.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            dual.bind(("::", 0))
            async with endpoint(Echo, sock=dual) as server, endpoint() as client:
                client.transport.sendto(b"x", (HOST, name_of(server)[1]))
                await client.datagrams(1)
                assert server.received[0][1] == ("::ffff:127.0.0.1", name_of(client)[1], 0, 0)

    run(main)


def test_unix_paths(run):
    async def main():
        with socket_directory() as directory:
            near, far = str(directory / "near"), str(directory / "f\u00e4r\udcff")
            async with endpoint(Echo, family=socket.AF_UNIX, local_addr=far) as server:
                async with endpoint(family=socket.AF_UNIX, local_addr=near) as client:
                    client.transport.sendto(b"x", far)
                    client.transport.sendto(b"y", os.fsencode(far))
                    await client.datagrams(2)
                    assert client.received == [(b"x", far), (b"y", far)]
                    assert server.received == [(b"x", near), (b"y", near)]
                async with endpoint(family=socket.AF_UNIX, remote_addr=far) as client:
                    client.transport.sendto(b"z")
                    await server.datagrams(3)
                    assert server.received[2] == (b"z", None)
                    # It has no address to answer to.
                    assert isinstance(await server.lost, TypeError)

    with pytest.raises(AssertionError, match="Fatal write error on datagram transport"):
        run(main)


def test_abstract_unix_names(run):
    async def main():
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as near,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as far,
        ):
            near.bind("")  # the kernel chooses an abstract name
            far.bind("")
            async with endpoint(Echo, sock=far) as server, endpoint(sock=near) as client:
                client.transport.sendto(b"x", name_of(server))
                client.transport.sendto(b"y", name_of(server).decode())
                await client.datagrams(2)
                assert client.received == [(b"x", name_of(server)), (b"y", name_of(server))]
                assert server.received[0] == (b"x", name_of(client))
                assert name_of(client)[0] == 0

    run(main)


def test_a_family_without_native_addresses(run):
    """Netlink: the kernel acknowledges an empty request."""
    try:
        link = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
    except OSError as error:
        pytest.skip(f"no netlink here: {error}")

    async def main():
        noop, request, acknowledge = 1, 1, 4
        async with endpoint(sock=link) as client:
            message = struct.pack("=LHHLL", 16, noop, request | acknowledge, 77, 0)
            client.transport.sendto(message, (0, 0))
            [answer] = await client.datagrams(1)
            assert struct.unpack_from("=LHHLL", answer)[3] == 77
            assert client.received[0][1] == (0, 0)

    run(main)


def test_a_connected_endpoint_sends_to_no_other_address(run):
    async def main():
        async with endpoint() as server, endpoint(remote_addr=name_of(server)) as client:
            with pytest.raises(ValueError, match="Invalid address: must be None or"):
                client.transport.sendto(b"x", (HOST, 9))
            host, port = name_of(server)
            client.transport.sendto(b"x", ("".join(host), port))
            client.transport.sendto(data=b"y", addr=None)
            assert await server.datagrams(2) == [b"x", b"y"]

    run(main)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (None, TypeError),
        (17, TypeError),
        ((HOST,), TypeError),
        ((HOST, "9"), TypeError),
        ((HOST, 70_000), OverflowError),
        ((HOST, 9, 0, 0), TypeError),
    ],
    ids=repr,
)
def test_an_address_that_is_none_is_fatal(loop, address, kind):
    contexts = []

    async def main():
        loop.set_exception_handler(lambda _, context: contexts.append(context))
        async with endpoint() as client:
            client.transport.sendto(b"x", address)
            assert isinstance(await client.lost, kind)
            assert client.errors == []

    loop.run_until_complete(main())
    [context] = contexts
    assert context["message"] == "Fatal write error on datagram transport"
    assert isinstance(context["exception"], kind)


def test_an_unknown_host_is_told(run):
    async def main():
        async with endpoint() as client:
            client.transport.sendto(b"x", ("256.256.256.256", 9))
            assert isinstance(await client.error(), socket.gaierror)
            assert not client.transport.is_closing()

    run(main)
