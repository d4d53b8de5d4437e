"""What leaves a simulation raises where it happens; outside of it everything is as before."""

import asyncio
import socket
import subprocess
import sys
import threading

import pytest
from conftest import needs_ironloop
from ironloop.simulator import Escape
from simulated_hosts import echo, run

pytestmark = needs_ironloop


@pytest.mark.parametrize(
    "reach",
    [
        lambda sock: sock.connect(("192.0.2.1", 80)),
        lambda sock: sock.recv(1),
        lambda sock: socket.create_connection(("127.0.0.1", 80)),
        lambda sock: socket.create_server(("192.0.2.1", 80)),
        lambda sock: socket.socket(type=socket.SOCK_RAW),
        lambda sock: socket.getaddrinfo("example.com", 80),
        lambda sock: socket.gethostbyname("example.com"),
        lambda sock: sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, bytes(8)),
        lambda sock: sock.connect(("224.0.0.1", 80)),
        lambda sock: subprocess.run([sys.executable, "-c", ""], check=True),
    ],
    ids=[
        "connect",
        "recv",
        "create_connection",
        "create_server",
        "raw",
        "getaddrinfo",
        "name",
        "group",
        "many",
        "process",
    ],
)
def test_what_escapes_raises_where_it_happens(reach):
    async def main(sim):
        with socket.socket() as sock:
            reach(sock)

    with pytest.raises(Escape):
        run(main)


def test_a_socket_from_outside_is_refused():
    async def main(sim):
        await asyncio.start_server(echo, sock=outside)

    with socket.create_server(("127.0.0.1", 0)) as outside, pytest.raises(Escape, match="made outside"):
        run(main)


def test_a_threads_own_sockets_are_outside():
    async def main(sim):
        def connect():
            with socket.socket() as sock:
                sock.connect(("127.0.0.1", 9))

        await asyncio.to_thread(connect)

    with pytest.raises(Escape, match="thread"):
        run(main)


def test_outside_sockets_are_the_kernels_as_before():
    made = []

    async def main(sim):
        thread = threading.Thread(target=lambda: made.append(socket.socket()))
        thread.start()
        thread.join()
        made.append(socket.socket())

    run(main)
    made.append(socket.socket())
    assert [sock.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) for sock in made] == [
        socket.AF_INET,
        socket.AF_INET,
        socket.AF_INET,
    ]
    assert type(made[0]) is type(made[2]) is socket.socket
    for sock in made:
        sock.close()
