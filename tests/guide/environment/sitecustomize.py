"""Loaded by Python at start-up in the guide's processes: the hosts that it names are stand-ins on loopback.

``IRONLOOP_GUIDE_PORTS`` maps "host:port" to the port of the stand-in. A lookup answers with it. anyio, below
httpx, takes only the address from a lookup and keeps the port that it was given, so it is told the stand-in's
beforehand.
"""

import json
import os
import socket

PORTS = json.loads(os.environ["IRONLOOP_GUIDE_PORTS"])
lookup = socket.getaddrinfo


def getaddrinfo(host, port, *rest, **options):
    stand_in = PORTS.get(f"{host}:{port}")
    if stand_in is None:
        # Literals only: nothing may leave this machine.
        options["flags"] = options.get("flags", 0) | socket.AI_NUMERICHOST
        return lookup(host, port, *rest, **options)
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", stand_in))]


socket.getaddrinfo = getaddrinfo

if "IRONLOOP_GUIDE_HTTPX" in os.environ:
    import anyio

    connect_tcp = anyio.connect_tcp

    async def connect_to_stand_in(remote_host, remote_port, **options):
        return await connect_tcp("127.0.0.1", PORTS[f"{remote_host}:{remote_port}"], **options)

    anyio.connect_tcp = connect_to_stand_in
