"""A simulation's network: its hosts, what lies between them, and what goes wrong."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ironloop.simulator.errors import Escape
from ironloop.simulator.network import names
from ironloop.simulator.network.hosts import Host
from ironloop.simulator.network.links import Links

if TYPE_CHECKING:
    from ironloop._ironloop import World
    from ironloop.simulator.network.fabric import Fabric

# The host of all that runs as of no other, and the addresses that are given out.
_HERE = "here"
_GIVEN_OUT = "10.0.0.{}"

_Hosts = Host | str | Iterable[Host | str]


class Network:
    """Latency, loss and faults, and names: `Simulation.network`."""

    __module__ = "ironloop.simulator"

    def __init__(self, world: World) -> None:
        self._hosts: dict[str, Host] = {}
        self._by_ip: dict[bytes, Host] = {}
        self._numbers = itertools.count(1)
        self.links = Links(world)
        # Names beside those of the hosts: their addresses. One without any is not known to the resolver.
        self.names: dict[str, list[str]] = {}
        # The sockets of the loop that runs.
        self.fabric: Fabric | None = None
        self.here = self.add(_HERE, None)

    # Hosts

    def add(self, name: str, address: str | None) -> Host:
        """
        Raises:
            ValueError: the name or the address is another host's, or none.
        """
        if name in self._hosts:
            raise ValueError(f"there is a host {name!r} already")
        while address is None:
            given = _GIVEN_OUT.format(next(self._numbers))
            address = None if names.parsed(given) in self._by_ip else given
        host = Host(self, name, address)
        if host._ip in self._by_ip:
            raise ValueError(f"{address} is the address of {self._by_ip[host._ip].name!r}")
        if names.is_loopback(host._ip) or names.is_unspecified(host._ip):
            raise ValueError(f"{address} is no address of one host")
        self._hosts[name] = self._by_ip[host._ip] = host
        return host

    def host(self, name: Host | str) -> Host:
        """
        Raises:
            LookupError: there is none.
        """
        if isinstance(name, Host):
            return name
        if name not in self._hosts:
            raise LookupError(f"there is no host {name!r}")
        return self._hosts[name]

    def owner(self, ip: bytes, asking: Host) -> Host:
        """Whose address it is, for one of the hosts.

        Raises:
            Escape: nobody's.
        """
        if names.is_loopback(ip) or names.is_unspecified(ip):
            return asking
        if ip not in self._by_ip:
            raise Escape(f"{names.text_of(ip)} is the address of no host of the simulation")
        return self._by_ip[ip]

    # Names

    def look_up(self, name: str) -> list[bytes]:
        """
        Raises:
            socket.gaierror: it is said to be unknown.
            Escape: nothing is known of it.
        """
        if name == "localhost":
            return [bytes(15) + b"\1", b"\x7f\0\0\1"]
        if (addresses := self.names.get(name)) is not None:
            if not addresses:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [ip for address in addresses if (ip := names.parsed(address))]
        if name not in self._hosts:
            raise Escape(f"{name!r} would be looked up outside of the simulation")
        return [self._hosts[name]._ip]

    def name_of(self, ip: bytes) -> str | None:
        """Of a host."""
        if names.is_loopback(ip):
            return "localhost"
        host = self._by_ip.get(ip)
        return host.name if host else None

    # What goes wrong

    def link(self, a: Host | str | None = None, b: Host | str | None = None, **changes: Any) -> None:
        """How two hosts reach each other; without `b`, how `a` reaches anybody; without both, anybody.

        Args:
            a: a host, or its name.
            b: another, or the same: how it reaches itself.
            latency: the least and the most, in seconds.
            loss: the probability that a datagram is lost, or that TCP has to send again.
            duplicate: the probability that a datagram comes twice.
            bandwidth: bytes in a second, or None.
        """
        a, b = (None if host is None else self.host(host).name for host in (a, b))
        for ends in dict.fromkeys([(a, b), (b, a)]):
            self.links.change(*ends, changes)

    def partition(self, a: _Hosts, b: _Hosts | None = None, *, oneway: bool = False) -> None:
        """Nothing gets from `a` to `b` any more, nor back, until `heal`. TCP waits, and sends again.

        Args:
            a: a host, its name, or several.
            b: the others; None: all others.
            oneway: what `b` sends still arrives.
        """
        self.links.cut(self._pairs(a, b, oneway))

    def heal(self, a: _Hosts | None = None, b: _Hosts | None = None) -> None:
        """The end of a partition; without arguments of all."""
        self.links.mend(None if a is None else self._pairs(a, b, False))

    def reset(self, a: _Hosts | None = None, b: _Hosts | None = None) -> None:
        """Resets the connections between `a` and `b`: at both ends it is a `ConnectionResetError`."""
        if self.fabric is not None:
            pairs = None if a is None else set(self._pairs(a, b, False, itself=b is None))
            self.fabric.reset(pairs)

    def end_code(self, host: Host, *, silently: bool) -> None:
        """It runs no further; others hear of it, or do not."""
        if self.fabric is not None:
            self.fabric.end_code(host, silently)

    def _pairs(
        self, a: _Hosts, b: _Hosts | None, oneway: bool, *, itself: bool = False
    ) -> Iterator[tuple[str, str]]:
        ours = self._listed(a)
        theirs = list(self._hosts) if b is None else self._listed(b)
        for one, other in itertools.product(ours, theirs):
            if one == other and not itself:
                continue
            if b is None and other in ours and not itself:
                continue
            yield one, other
            if not oneway:
                yield other, one

    def _listed(self, hosts: _Hosts) -> list[str]:
        if isinstance(hosts, (Host, str)):
            hosts = [hosts]
        return [self.host(host).name for host in hosts]
