"""Sockets of a class that overrides what they do: its methods are called."""

import asyncio
import socket

import pytest


class Shouting(socket.socket):
    """A socket with code of its own: what it receives and sends is in capitals."""

    def recv(self, *arguments):
        return super().recv(*arguments).upper()

    def recv_into(self, buffer, *arguments):
        count = super().recv_into(buffer, *arguments)
        buffer[:count] = bytes(buffer[:count]).upper()
        return count

    def send(self, data, *arguments):
        return super().send(bytes(data).upper(), *arguments)

    def sendmsg(self, buffers, *arguments):
        return super().sendmsg([bytes(buffer).upper() for buffer in buffers], *arguments)


@pytest.fixture
def shouting_pair(pair):
    near, far = pair
    with Shouting(fileno=near.detach()) as shouting:
        shouting.setblocking(False)
        yield shouting, far


def test_a_socket_with_code_of_its_own_is_asked(run, shouting_pair):
    shouting, far = shouting_pair

    async def main():
        loop = asyncio.get_running_loop()
        far.send(b"at once")
        assert await loop.sock_recv(shouting, 100) == b"AT ONCE"
        waiting = asyncio.create_task(loop.sock_recv(shouting, 100))
        await asyncio.sleep(0)
        far.send(b"later")
        assert await waiting == b"LATER"
        buffer = bytearray(4)
        far.send(b"into")
        assert await loop.sock_recv_into(shouting, buffer) == 4
        assert buffer == b"INTO"
        await loop.sock_sendall(shouting, b"sent")
        assert await loop.sock_recv(far, 100) == b"SENT"

    run(main)


def test_a_connection_over_a_socket_with_code_of_its_own(run, shouting_pair):
    shouting, far = shouting_pair

    async def main():
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection(sock=shouting)
        far.send(b"received\n")
        assert await reader.readline() == b"RECEIVED\n"
        writer.write(b"sent")
        assert await loop.sock_recv(far, 4) == b"SENT"
        writer.writelines([b"and ", b"again"])
        assert await loop.sock_recv(far, 9) == b"AND AGAIN"
        writer.close()
        await writer.wait_closed()
        assert await loop.sock_recv(far, 10) == b""

    run(main)
