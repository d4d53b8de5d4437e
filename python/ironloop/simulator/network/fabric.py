"""What moves the bytes of one loop's sockets, in virtual time.

The kernel keeps the sockets, by names that say for which addresses they stand: so what is bound, and whether
it is still open, is asked of the kernel. Belongs to the loop's thread.
"""

from __future__ import annotations

import _socket
import asyncio
import contextlib
import contextvars
import errno
import itertools
import os
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from zlib import crc32

from ironloop.simulator.network import names, streams
from ironloop.simulator.network.crashes import Graves
from ironloop.simulator.network.datagrams import Post
from ironloop.simulator.network.names import Address

if TYPE_CHECKING:
    from ironloop._ironloop import World
    from ironloop.loop import Loop
    from ironloop.simulator.network.hosts import Host
    from ironloop.simulator.network.network import Network

_numbers = itertools.count(1)

# As Linux gives them out.
_EPHEMERAL = range(32768, 61000)

# More are forgotten.
_MOST_NAMES = 4096


class Fabric:
    """The sockets of a loop, and what is under way between them."""

    def __init__(self, loop: Loop, world: World, network: Network) -> None:
        self.loop = loop
        self.world = world
        self.network = network
        self.links = network.links
        # Other simulations, of other processes too, have other names.
        self._token = f"{os.getpid()}-{next(_numbers)}"
        self._connections = itertools.count(1)
        self._ports = itertools.cycle(_EPHEMERAL)
        # By our socket's name.
        self.ends: dict[bytes, streams.End] = {}
        self.posts: dict[bytes, Post] = {}
        # By name: the names of sockets that share it.
        self._groups: dict[bytes, list[bytes]] = {}
        # Names that were made: each datagram asks for two or three.
        self._names: dict[tuple[Any, ...], bytes] = {}
        self.graves = Graves()
        self._context = contextvars.Context()

    def close(self) -> None:
        """The loop is closed."""
        for end in list(self.ends.values()):
            if end.sock is not None:
                end.sock.close()
        for post in list(self.posts.values()):
            post.sock.close()
        self.ends.clear()
        self.posts.clear()
        self.graves.clear()

    # The loop, in no program's context

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        return self.loop.call_at(when, callback, *args, context=self._context)

    def call_soon(self, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        return self.loop.call_soon(callback, *args, context=self._context)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        return self.loop.call_later(delay, callback, *args, context=self._context)

    def add_reader(self, fd: int, callback: Callable[[], object]) -> None:
        contextvars.Context().run(self.loop._add_reader, fd, callback)  # type: ignore[attr-defined]

    def add_writer(self, fd: int, callback: Callable[[], object]) -> None:
        contextvars.Context().run(self.loop._add_writer, fd, callback)  # type: ignore[attr-defined]

    # Names and ports

    def bound_name(self, host: Host, kind: int, own: Address, is_dual: bool = False) -> bytes:
        """`is_dual` says that a socket of IPv6 has the port of IPv4 as well."""
        whose = (host.address, host.crashes, kind, own, is_dual)
        name = self._names.get(whose)
        if name is None:
            letter = "t" if kind == socket.SOCK_STREAM else "u"
            both = "-both" if is_dual else ""
            name = names.name(f"{self._token}-{letter}-{host.address}-{host.crashes}{both}", own)
            if len(self._names) == _MOST_NAMES:
                self._names.clear()
            self._names[whose] = name
        return name

    def share(self, name: bytes) -> bytes:
        """One more socket with `SO_REUSEPORT` gets an address: by what name the kernel has it."""
        group = self._groups.setdefault(name, [])
        if group:
            whose, _, rest = name.removeprefix(names.PREFIX).partition(b"/")
            name = names.PREFIX + b"%s-%d/%s" % (whose, len(group), rest)
        group.append(name)
        return name

    def keep(self, name: bytes) -> bytes:
        """The same for one that has it alone."""
        self._groups.pop(name, None)
        return name

    def bound_to(
        self, host: Host, kind: int, own: Address, source: Address | None = None
    ) -> Iterator[tuple[bytes, bool]]:
        """The names of who may be meant by an address, and whether they are of IPv6, and take IPv4 too.

        Of those that share it one is chosen; the same each time for one `source`.
        """
        every = Address(names.unspecified(own.family), own.port)
        both = Address(names.unspecified(socket.AF_INET6), own.port)
        for address, is_dual in ((own, False), (every, False), (both, True)):
            name = self.bound_name(host, kind, address, is_dual)
            group = self._groups.get(name, [name])
            if len(group) > 1:
                group = [each for each in group if self.is_bound(each, kind)] or [name]
            place = 0
            if len(group) > 1:
                if source is None:
                    place = self.world.choose(len(group))
                else:
                    place = crc32(names.label(source)) % len(group)
            yield group[place], is_dual

    def connection_name(self, own: Address, peer: Address) -> bytes:
        return names.name(f"{self._token}-{next(self._connections)}", own, peer)

    def post_name(self) -> bytes:
        """Says nothing of addresses."""
        return f"\0ironloop/{self._token}-{next(self._connections)}".encode()

    def is_free(
        self, host: Host, kind: int, own: Address, is_dual: bool = False, shares: bool = False
    ) -> bool:
        """Whether nothing on the host has that address, or one that it is part of.

        `shares` says that others may have it, if they share it too.
        """
        taken = {self.bound_name(host, kind, Address(names.unspecified(socket.AF_INET6), own.port), True)}
        for family in (socket.AF_INET, socket.AF_INET6) if is_dual else (own.family,):
            ips = [own.ip if own.family == family else names.unspecified(family), names.unspecified(family)]
            if names.is_unspecified(own.ip):
                ips += [names.loopback(family), host.address_of(family) or names.loopback(family)]
            taken.update(self.bound_name(host, kind, Address(ip, own.port)) for ip in ips)
        if shares:
            taken.difference_update(self._groups)
        return not any(self.is_bound(each, kind) for name in taken for each in self._groups.get(name, [name]))

    def is_bound(self, name: bytes, kind: int) -> bool:
        with contextlib.closing(_socket.socket(socket.AF_UNIX, kind)) as probe:
            try:
                probe.bind(name)
            except OSError:
                return True
        return False

    def ephemeral(self, host: Host, kind: int, ip: bytes, is_dual: bool = False) -> Address:
        """
        Raises:
            OSError: all ports are taken.
        """
        for _ in _EPHEMERAL:
            own = Address(ip, next(self._ports))
            if self.is_free(host, kind, own, is_dual):
                return own
        raise names.error(errno.EADDRINUSE)

    def route(self, host: Host, target: bytes) -> bytes:
        """The own address from which one is reached.

        Raises:
            OSError: none, or the host is down.
        """
        if not host.is_up:
            raise names.error(errno.ENETUNREACH)
        if names.is_loopback(target) or host.has(target):
            return target
        own = host.address_of(names.family_of(target))
        if own is None:
            raise names.error(errno.ENETUNREACH)
        return own

    # TCP

    def connect(
        self, sock: _socket.socket, family: int, host: Host, own: Address | None, peer: Address
    ) -> streams.Request:
        """The program's socket, which does not block, connects to an address; one of IPv6 to IPv4 as well.

        Raises:
            OSError: there is no way to it.
            Escape: it is nobody's.
        """
        server = self.network.owner(peer.ip, host)
        if names.is_unspecified(peer.ip):
            peer = Address(names.loopback(peer.family), peer.port)
        if own is None or names.is_unspecified(own.ip):
            ip = self.route(host, peer.ip)
            own = Address(ip, own.port) if own else self.ephemeral(host, socket.SOCK_STREAM, ip)
        name = self.connection_name(names.shown(own, family), names.shown(peer, family))
        with contextlib.closing(_socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
            listener.bind(name)
            listener.listen(1)
            _socket.socket.connect(sock, name)
            ours = _socket.socket(fileno=listener._accept()[0])  # type: ignore[attr-defined]
        prepare(ours)
        prepare(sock)
        streams.fill(sock)
        request = streams.Request(self, streams.End(self, host, own, peer, ours), server)
        request.begin()
        return request

    def knock(self, server: Host, client: streams.End) -> _socket.socket:
        """A connection of the kernel's to who listens there; our end of it.

        Raises:
            BlockingIOError: nobody accepts.
            OSError: nobody listens.
        """
        for name, is_dual in self.bound_to(server, socket.SOCK_STREAM, client.peer):
            ours = _socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            prepare(ours)
            family = socket.AF_INET6 if is_dual else client.own.family
            own, peer = names.shown(client.peer, family), names.shown(client.own, family)
            try:
                ours.bind(self.connection_name(own, peer))
                ours.connect(name)
            except ConnectionRefusedError:
                # It is bound, and does not listen.
                ours.close()
                continue
            except BaseException:
                ours.close()
                raise
            return ours
        raise names.error(errno.ECONNREFUSED)

    # Faults

    def reset(self, pairs: set[tuple[str, str]] | None) -> None:
        for end in list(self.ends.values()):
            other = getattr(end, "other", None)
            if other is not None and (pairs is None or (end.host.name, other.host.name) in pairs):
                for each in (end, other):
                    each.way.clear()
                    each.fail(errno.ECONNRESET)

    def end_code(self, host: Host, silently: bool) -> None:
        self.graves.bury(self, host)
        for end in list(self.ends.values()):
            # Else the kernel has closed the program's sockets, and they say goodbye.
            if end.host is host and (silently or not hasattr(end, "way")):
                end.vanish()
        for post in list(self.posts.values()):
            if post.host is host:
                post.close()

    def names_of(self, host: Host) -> set[bytes]:
        """Of our ends of a host's sockets."""
        ends = {end.name for end in self.ends.values() if end.host is host}
        return ends | {post.sock.getsockname() for post in self.posts.values() if post.host is host}

    def prefixes_of(self, host: Host) -> tuple[bytes, ...]:
        """How the names of what it has bound begin."""
        return tuple(
            names.PREFIX + f"{self._token}-{letter}-{host.address}-{host.crashes}{end}".encode()
            for letter in "tu"
            for end in "/-"
        )


def prepare(sock: _socket.socket) -> None:
    """It never blocks, and holds the same on each machine."""
    sock.setblocking(False)
    if sock.type == socket.SOCK_STREAM:
        _socket.socket.setsockopt(sock, socket.SOL_SOCKET, socket.SO_SNDBUF, streams.SEND_BUFFER)
