"""UDP: datagrams between two hosts, which may be lost, come twice, or overtake each other.

Each of the program's sockets is connected to one of ours, its `Post`. A datagram has a label before it, whom
it is for; on its way to another's socket the label says where it comes from. Called by the loop, in its
thread.
"""

from __future__ import annotations

import _socket
import errno
import socket
from collections import deque
from typing import TYPE_CHECKING

from ironloop.simulator.network import names
from ironloop.simulator.network.names import Address

if TYPE_CHECKING:
    from ironloop.simulator.network.fabric import Fabric
    from ironloop.simulator.network.hosts import Host

_LARGEST = 1 << 17

# Datagrams that wait for a program that does not read; what comes beside is lost.
_MOST_WAITING = 256


class Post:
    """Where one of the program's sockets takes its datagrams to, and where it gets them."""

    def __init__(self, fabric: Fabric, host: Host, own: Address, theirs: _socket.socket) -> None:
        """`theirs` is bound to the name of its address."""
        self._fabric = fabric
        self.host = host
        self._own = own
        # The only one to hear from and to send to, if it is connected.
        self.peer: Address | None = None
        # When its host has crashed it is another's.
        self._boot = host.crashes
        self._name: bytes = _socket.socket.getsockname(theirs)
        self._waiting: deque[bytes] = deque()
        self.sock = _socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        name = fabric.post_name()
        self.sock.bind(name)
        _socket.socket.connect(theirs, name)
        self.sock.connect(self._name)
        fabric.posts[self._name] = self
        fabric.add_reader(self.sock.fileno(), self._readable)

    def close(self) -> None:
        if self._fabric.posts.pop(self._name, None) is not None:
            self._fabric.loop.remove_reader(self.sock.fileno())
            self._fabric.loop.remove_writer(self.sock.fileno())
            self.sock.close()

    # From the program

    def _readable(self) -> None:
        while True:
            try:
                datagram = self.sock.recv(_LARGEST)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            if self._boot == self.host.crashes:
                self._send(datagram)

    def _send(self, datagram: bytes) -> None:
        fabric, links = self._fabric, self._fabric.links
        data, peer = names.unlabelled(datagram)
        peer = peer or self.peer
        if peer is None:
            return
        peer = names.unmapped(peer)
        target = fabric.network.owner(peer.ip, self.host)
        try:
            source = self._own
            if names.is_unspecified(source.ip):
                source = Address(fabric.route(self.host, peer.ip), source.port)
        except OSError:
            return
        link = links.between(self.host, target)
        if links.happens(link.loss) or not links.reaches(self.host, target):
            return
        for _ in range(1 + links.happens(link.duplicate)):
            delay = links.latency(self.host, target, len(data))
            fabric.call_later(delay, self._arrive, target, source, peer, data)

    def _arrive(self, target: Host, source: Address, peer: Address, data: bytes) -> None:
        fabric, links = self._fabric, self._fabric.links
        if not links.reaches(self.host, target):
            return
        fabric.world.note(16)
        ip = names.loopback(peer.family) if names.is_unspecified(peer.ip) else peer.ip
        own = Address(ip, peer.port)
        for name, _ in fabric.bound_to(target, socket.SOCK_DGRAM, own, source):
            post = fabric.posts.get(name)
            if post is not None and post.take(source, data):
                return
        # Nobody has that port: who is connected to it is told.
        if self.peer is not None and links.reaches(target, self.host):
            delay = links.latency(target, self.host)
            fabric.call_later(delay, self._put, names.label_of_error(errno.ECONNREFUSED))

    # To the program

    def take(self, source: Address, data: bytes) -> bool:
        """False: nobody is there."""
        if self.peer is not None and self.peer != source:
            return False
        return self._put(names.label(names.shown(source, self._own.family)) + data)

    def _put(self, datagram: bytes) -> bool:
        if self._waiting:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(datagram)
            return True
        try:
            self.sock.send(datagram)
        except BlockingIOError:
            self._waiting.append(datagram)
            self._fabric.add_writer(self.sock.fileno(), self._has_room)
        except OSError:
            self.close()
            return False
        return True

    def _has_room(self) -> None:
        while self._waiting:
            try:
                self.sock.send(self._waiting[0])
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            self._waiting.popleft()
        self._fabric.loop.remove_writer(self.sock.fileno())
