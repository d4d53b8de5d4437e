"""Names of hosts to addresses, and back, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

from ironloop import addresses
from ironloop.simulator.network import names
from ironloop.simulator.network.hosts import current

if TYPE_CHECKING:
    from ironloop.simulator.network.fabric import Fabric


async def of_name(
    fabric: Fabric, host: Any, port: Any, family: int, kind: int, proto: int, flags: int
) -> list[Any]:
    """What `getaddrinfo` answers.

    Raises:
        socket.gaierror: there is no such name.
        Escape: it is the name of nothing in the simulation.
    """
    if isinstance(host, bytes):
        host = host.decode("idna")
    found = _found(fabric, host, flags)
    if found is None:
        here = current(fabric.network)
        await asyncio.sleep(fabric.links.latency(here, here))
        found = fabric.network.look_up(host)
    known = [ip for ip in found if family in (0, names.family_of(ip))]
    if not known:
        raise socket.gaierror(socket.EAI_ADDRFAMILY, "Address family for hostname not supported")
    answers = []
    for ip in known:
        numeric = flags & ~socket.AI_CANONNAME | socket.AI_NUMERICHOST
        answers += addresses.look_up(names.text_of(ip), port, 0, kind, proto, numeric)
    if flags & socket.AI_CANONNAME:
        first = answers[0]
        answers[0] = (*first[:3], host, first[4])
    return answers


def _found(fabric: Fabric, host: Any, flags: int) -> list[bytes] | None:
    """What nobody has to be asked for."""
    if host in (None, ""):
        make = names.unspecified if flags & socket.AI_PASSIVE else names.loopback
        both = [make(socket.AF_INET), make(socket.AF_INET6)]
        return both if flags & socket.AI_PASSIVE else both[::-1]
    ip = names.parsed(host)
    if ip is not None:
        return [ip]
    if flags & socket.AI_NUMERICHOST:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return None


async def of_address(fabric: Fabric, sockaddr: Any, flags: int) -> tuple[str, str]:
    """What `getnameinfo` answers."""
    host, port = sockaddr[:2]
    ip = names.parsed(host)
    if ip is None:
        raise OSError("sockaddr resolved to multiple addresses" if host else "illegal sockaddr argument")
    here = current(fabric.network)
    name = None
    if not flags & socket.NI_NUMERICHOST:
        await asyncio.sleep(fabric.links.latency(here, here))
        name = fabric.network.name_of(ip)
        if name is None and flags & socket.NI_NAMEREQD:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    service = str(port)
    if not flags & socket.NI_NUMERICSERV:
        with contextlib.suppress(OSError):
            service = socket.getservbyport(port, "udp" if flags & socket.NI_DGRAM else "tcp")
    return name or names.text_of(ip), service
