"""TCP: connections between two hosts, whose ends the kernel has as UNIX sockets.

Of each end one socket is the program's, the other ours. What the program sends we read, as much as a window
holds; it travels as segments of one `_Way`, in order; and we write it to the socket of the other side, as
soon as that has room. Called by the loop, in its thread.
"""

from __future__ import annotations

import _socket
import asyncio
import contextlib
import errno
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ironloop.simulator.network.fabric import Fabric
    from ironloop.simulator.network.hosts import Host
    from ironloop.simulator.network.names import Address

# Bytes under way in one direction; and how many the program may have handed over beside.
WINDOW = 65536
SEND_BUFFER = 65536

# Fills the send buffer so far that the kernel says there is no room, until the connection stands.
_FILLING = bytes(40960)

# How long TCP waits for an answer before it sends again: first, at most, and altogether, in seconds.
_FIRST_RETRY = 0.2
_LONGEST_RETRY = 120
_PATIENCE = 924.6

# How often a connection is asked for; after a second, then each time twice as long.
_MOST_REQUESTS = 7

# What travels beside bytes.
_FIN = b""
_RST = None


class End:
    """One end of a connection: our socket, and what the program sends by it."""

    def __init__(self, fabric: Fabric, host: Host, own: Address, peer: Address, sock: _socket.socket) -> None:
        self.fabric = fabric
        self.host = host
        self.own = own
        self.peer = peer
        # `None` once it is over: what still comes is answered by a reset.
        self.sock: _socket.socket | None = sock
        self.name: bytes = sock.getsockname()
        # The program has asked that it is reset when it closes it (`SO_LINGER`).
        self.resets = False
        # The other side has said that it sends nothing more.
        self.was_told_the_end = False
        self.other: End
        self.way: _Way
        fabric.ends[self.name] = self

    @staticmethod
    def connect(one: End, other: End) -> None:
        one.other, other.other = other, one
        one.way, other.way = _Way(one, other), _Way(other, one)

    # From the program

    def watch(self) -> None:
        if self.sock is not None:
            self.fabric.add_reader(self.sock.fileno(), self._readable)

    def unwatch(self) -> None:
        if self.sock is not None:
            self.fabric.loop.remove_reader(self.sock.fileno())

    def _readable(self) -> None:
        sock, way = self.sock, self.way
        if sock is None:
            return
        room = WINDOW - way.under_way
        if room <= 0:
            way.is_full = True
            self.unwatch()
            return
        try:
            data = sock.recv(room)
        except BlockingIOError:
            return
        except OSError:
            # The program has closed it, and not read what had come.
            self.unwatch()
            self.close()
            way.push(_RST)
            return
        if not data:
            self.unwatch()
            if self.resets and self._is_closed():
                self.close()
                way.push(_RST)
                return
        way.push(data)

    def _is_closed(self) -> bool:
        """Whether the program has closed its socket, not only the sending half."""
        try:
            assert self.sock is not None
            self.sock.send(b"")
        except OSError:
            return True
        return False

    # To the program

    def take(self, data: bytes | memoryview) -> int:
        """How much of it there was room for.

        Raises:
            OSError: the program has closed its socket.
        """
        assert self.sock is not None
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    def take_the_end(self) -> None:
        self.was_told_the_end = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(_socket.SHUT_WR)

    def fail(self, error: int) -> None:
        """The program's next call raises it, after what has arrived."""
        if self.sock is not None:
            self.fabric.world.fail(self.name, error)
            self.close()

    def close(self) -> None:
        if self.sock is not None:
            self.unwatch()
            self.fabric.loop.remove_writer(self.sock.fileno())
            self.sock.close()
            self._leave()

    def vanish(self) -> None:
        """Its host has crashed: it says nothing more."""
        self.close()
        if hasattr(self, "way"):
            self.way.clear()

    def _leave(self) -> None:
        self.sock = None
        del self.fabric.ends[self.name]
        # What still comes need not wait for room.
        if hasattr(self, "other"):
            self.other.way.stop_waiting_for_room()

    def answer_with_reset(self) -> None:
        self.way.clear()
        self.way.push(_RST)


class _Way:
    """One direction of a connection. Segments arrive in order, and the first waits if it has to."""

    def __init__(self, source: End, target: End) -> None:
        self._source = source
        self._target = target
        self._fabric = source.fabric
        self._loop = source.fabric.loop
        # When each arrives, and what.
        self._segments: deque[tuple[float, bytes | memoryview | None]] = deque()
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None
        # Since when the other side does not answer, and how long to wait until the next try.
        self._silent_since: float | None = None
        self._retry = _FIRST_RETRY
        # The program on the other side does not read.
        self._waits_for_room = False
        self.under_way = 0
        self.is_full = False

    def push(self, segment: bytes | None) -> None:
        source, target, links = self._source.host, self._target.host, self._fabric.links
        size = len(segment) if segment else 0
        delay = links.latency(source, target, size) + links.retries(source, target)
        self._last = max(self._last, self._loop.time() + delay)
        self._segments.append((self._last, segment))
        self.under_way += size
        self._wait()

    def clear(self) -> None:
        self._segments.clear()
        self.under_way = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, until: float | None = None) -> None:
        if self._segments and self._timer is None and not self._waits_for_room:
            when = self._segments[0][0] if until is None else until
            self._timer = self._fabric.call_at(max(when, self._loop.time()), self._arrive)

    def _arrive(self) -> None:
        self._timer = None
        if not self._is_answered():
            return
        now = self._loop.time()
        while self._segments and self._segments[0][0] <= now:
            if not self._deliver(self._segments[0][1]):
                break
        self._wait()
        if self.is_full and self.under_way <= WINDOW // 2:
            self.is_full = False
            self._source.watch()

    def _is_answered(self) -> bool:
        """Whether it arrives; if not it is sent again in a while, or never more."""
        if self._fabric.links.reaches(self._source.host, self._target.host):
            self._silent_since, self._retry = None, _FIRST_RETRY
            return True
        now = self._loop.time()
        if self._silent_since is None:
            self._silent_since = now
        if now - self._silent_since >= _PATIENCE:
            self.clear()
            self._source.fail(errno.ETIMEDOUT)
            return False
        self._wait(now + self._retry)
        self._retry = min(2 * self._retry, _LONGEST_RETRY)
        return False

    def _deliver(self, segment: bytes | memoryview | None) -> bool:
        """False: it stays the first, or nothing follows."""
        target = self._target
        if segment is _RST:
            self.clear()
            self._fabric.world.note(3)
            target.way.clear()
            target.fail(errno.EPIPE if target.was_told_the_end else errno.ECONNRESET)
            self._source.close()
            return False
        if target.sock is None:
            self.clear()
            target.answer_with_reset()
            return False
        if len(segment) == 0:
            self._segments.popleft()
            self._fabric.world.note(2)
            target.take_the_end()
            if self._source.was_told_the_end:
                # Both have said all.
                self._source.close()
                target.close()
            return True
        self._fabric.world.note(1)
        try:
            taken = target.take(segment)
        except OSError:
            # Closed; whoever sends on to it is told.
            self.clear()
            target.close()
            target.answer_with_reset()
            return False
        self.under_way -= taken
        if taken == len(segment):
            self._segments.popleft()
            return True
        self._segments[0] = (self._segments[0][0], memoryview(segment)[taken:])
        self._waits_for_room = True
        assert target.sock is not None
        self._fabric.add_writer(target.sock.fileno(), self._has_room)
        return False

    def _has_room(self) -> None:
        assert self._target.sock is not None
        self._loop.remove_writer(self._target.sock.fileno())
        self.stop_waiting_for_room()

    def stop_waiting_for_room(self) -> None:
        if self._waits_for_room:
            self._waits_for_room = False
            self._wait()


class Request:
    """A program connects: until the other side answers, its socket is not writable."""

    def __init__(self, fabric: Fabric, client: End, server: Host) -> None:
        self._fabric = fabric
        self._client = client
        self._server = server
        self._requests = 0
        self.is_open = True
        # That it is not open any more.
        self.was_told = False

    def begin(self) -> None:
        links, client = self._fabric.links, self._client
        if client.sock is None:
            return
        self._requests += 1
        if self._requests > _MOST_REQUESTS:
            self._end(errno.ETIMEDOUT)
            return
        again = 2.0 ** (self._requests - 1)
        if not links.reaches(client.host, self._server):
            self._fabric.call_later(again, self.begin)
            return
        delay = links.latency(client.host, self._server) + links.retries(client.host, self._server)
        self._fabric.call_later(delay, self._ask, again)

    def _ask(self, again: float) -> None:
        """At the server's."""
        links, client = self._fabric.links, self._client
        if client.sock is None:
            # Its host has crashed.
            return
        if not (links.reaches(client.host, self._server) and links.reaches(self._server, client.host)):
            self._fabric.call_later(again, self.begin)
            return
        delay = links.latency(self._server, client.host)
        try:
            sock = self._fabric.knock(self._server, client)
        except BlockingIOError:
            # Nobody accepts. It is not answered, and asks again.
            self._fabric.call_later(again, self.begin)
            return
        except OSError:
            self._fabric.call_later(delay, self._end, errno.ECONNREFUSED)
            return
        server = End(self._fabric, self._server, client.peer, client.own, sock)
        End.connect(client, server)
        server.watch()
        # What the server says first must not come before its answer.
        server.way._last = self._fabric.loop.time() + delay
        self._fabric.call_later(delay, self._end, 0)

    def _end(self, error: int) -> None:
        self.is_open = False
        client = self._client
        self._fabric.world.note(4 + error)
        sock = client.sock
        if sock is None:
            return
        if error:
            self._fabric.world.fail(client.name, error)
            sock.close()
            client.sock = None
            del self._fabric.ends[client.name]
            return
        left = len(_FILLING)
        while left:
            left -= len(sock.recv(left))
        client.watch()


def fill(sock: _socket.socket) -> None:
    """What the program has connected is not writable yet."""
    _socket.socket.send(sock, _FILLING)
