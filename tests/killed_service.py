"""A service that is killed, as a process by SIGKILL or as a host of a simulation."""

import asyncio


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if data == b"be deaf":
            self.transport.pause_reading()
        self.transport.write(data.upper())

    def connection_lost(self, error):
        print("the killed one hears of it")


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data.upper(), address)


async def serve(tell, host="127.0.0.1"):
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(Echo, host, 0)
        udp, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=(host, 0))
        tell(server.sockets[0].getsockname()[1], udp.get_extra_info("sockname")[1])
        await loop.create_future()
    finally:
        print("it cleans up")


if __name__ == "__main__":
    asyncio.run(serve(lambda *ports: print(*ports, flush=True)))
