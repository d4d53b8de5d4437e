"""The program's sockets of the internet: UNIX sockets of the kernel's, whose other ends the fabric has.

While a thread simulates, `socket.socket(AF_INET)` makes one of these. What the core does with descriptors it
does with the same ones (`crates/driver/src/disguise.rs`).
"""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import socket
import struct
import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ironloop.simulator.errors import Escape
from ironloop.simulator.network import names
from ironloop.simulator.network.datagrams import Post
from ironloop.simulator.network.fabric import Fabric, prepare
from ironloop.simulator.network.hosts import current
from ironloop.simulator.network.names import Address

if TYPE_CHECKING:
    from ironloop.simulator.network.hosts import Host
    from ironloop.simulator.network.streams import Request

_Native = _socket.socket
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
# Those of a socket's options that are the kernel's for UNIX sockets too, and change nothing that counts.
_OWN_OPTIONS = frozenset([socket.SO_SNDBUF, socket.SO_RCVBUF, socket.SO_LINGER, socket.SO_REUSEPORT])

# Those that join a group of multicast.
_OF_MANY = frozenset(
    [
        (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP),
        (socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP),
    ]
)

# By thread: what its sockets are made in.
_fabrics: dict[int, Fabric] = {}
_stock_init: Any = socket.socket.__init__


class _State:
    """What is known of one of the program's sockets."""

    def __init__(self, fabric: Fabric, family: int) -> None:
        self.fabric = fabric
        self.family = socket.AddressFamily(family)
        self.host: Host = current(fabric.network)
        self.own: Address | None = None
        self.request: Request | None = None
        self.post: Post | None = None
        self.options: dict[tuple[int, int], Any] = {}


_states: weakref.WeakKeyDictionary[socket.socket, _State] = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def inside(fabric: Fabric) -> Iterator[None]:
    """The sockets that the calling thread makes are those of a simulation."""
    thread = threading.get_ident()
    _fabrics[thread] = fabric
    if len(_fabrics) == 1:
        socket.socket.__init__ = _init  # type: ignore[method-assign]
    try:
        yield
    finally:
        del _fabrics[thread]
        if not _fabrics:
            socket.socket.__init__ = _stock_init  # type: ignore[method-assign]


def _init(self: Any, family: int = -1, type: int = -1, proto: int = -1, fileno: Any = None) -> None:
    fabric = _fabrics.get(threading.get_ident())
    if fabric is None or (fileno is None and family not in (-1, *_FAMILIES)):
        _stock_init(self, family, type, proto, fileno)
        return
    if fileno is None:
        kind = socket.SOCK_STREAM if type == -1 else type
        kind &= ~(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        if kind not in _KINDS:
            raise Escape(f"a socket of type {type!r} is not simulated")
        family = socket.AF_INET if family == -1 else family
        fileno = _Native(socket.AF_UNIX, type if type != -1 else kind).detach()
        _become(self, fabric, family, kind, 0 if proto == -1 else proto, fileno)
        return
    _stock_init(self, -1, -1, -1, fileno)
    if _Native.family.__get__(self) != socket.AF_UNIX:
        return
    known = _addresses(self)
    if known is not None:
        family = known[0].family
    if family in _FAMILIES:
        kind = _Native.type.__get__(self)
        proto = (
            proto if proto > 0 else socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else socket.IPPROTO_UDP
        )
        _become(self, fabric, family, kind, proto, fileno)


def _become(self: Any, fabric: Fabric, family: int, kind: int, proto: int, fileno: int) -> None:
    _stock_init(self, socket.AF_UNIX, kind, proto, fileno)
    if type(self) is not SimulatedSocket:
        try:
            self.__class__ = SimulatedSocket
        except TypeError:
            self.close()
            raise Escape(f"{type(self).__name__}: sockets with code of their own are not simulated") from None
    _states[self] = _State(fabric, family)


def sockets_of(host: Host) -> list[socket.socket]:
    """Those that a host's code has made, and that are known to Python."""
    return [sock for sock, state in _states.items() if state.host is host]


def _addresses(sock: socket.socket) -> tuple[Address, Address | None] | None:
    """Own and peer, by the names that the kernel has."""
    try:
        if (known := names.read(_Native.getpeername(sock))) is not None:
            return known
    except OSError:
        pass
    try:
        return names.read(_Native.getsockname(sock))
    except OSError:
        return None


class SimulatedSocket(socket.socket):
    """A socket of TCP or UDP in a simulation."""

    __slots__ = ()
    __module__ = "socket"
    __qualname__ = "socket"

    # The core may read and write it by its descriptor alone.
    _is_simulated = True

    @property
    def family(self) -> socket.AddressFamily:
        return _states[self].family

    # Addresses

    def getsockname(self) -> Any:
        known = _addresses(self)
        if known is None:
            state = _states[self]
            if self.fileno() < 0:
                return _Native.getsockname(self)
            return (state.own or Address(names.unspecified(state.family), 0)).to_python()
        return known[0].to_python()

    def getpeername(self) -> Any:
        state = _states[self]
        if state.post is not None:
            if state.post.peer is None:
                raise names.error(errno.ENOTCONN)
            return names.shown(state.post.peer, state.family).to_python()
        if state.request is not None and state.request.is_open:
            raise names.error(errno.ENOTCONN)
        known = names.read(_Native.getpeername(self))
        if known is None or known[1] is None:
            raise names.error(errno.ENOTCONN)
        return known[1].to_python()

    def _parsed(self, address: Any) -> Address:
        """An address as Python has it; a name in it is looked up, as by the stock socket."""
        state = _states[self]
        if not isinstance(address, tuple) or len(address) not in (2, 3, 4):
            raise TypeError(f"{state.family.name} address must be tuple, not {type(address).__name__}")
        host, port = address[:2]
        if isinstance(host, (bytes, bytearray)):
            host = host.decode("ascii")
        if not 0 <= port <= 0xFFFF:
            raise OverflowError("port must be 0-65535.")
        if host == "":
            return Address(names.unspecified(state.family), port)
        if host == "<broadcast>":
            raise Escape(f"{host}: datagrams to many are not simulated")
        ip = names.parsed(host)
        found = [ip] if ip is not None else state.fabric.network.look_up(host)
        for each in found:
            if names.is_of_many(each):
                raise Escape(f"{host}: datagrams to many are not simulated")
            if names.family_of(each) == state.family:
                return self._unmapped(Address(each, port))
        raise socket.gaierror(socket.EAI_FAMILY, "Address family for hostname not supported")

    def _unmapped(self, address: Address) -> Address:
        """A socket of IPv6 may speak IPv4 too."""
        if not names.is_mapped(address.ip):
            return address
        if self._is_of_ipv6_only():
            raise names.error(errno.ENETUNREACH)
        return names.unmapped(address)

    def _is_of_ipv6_only(self) -> bool:
        return bool(_states[self].options.get((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)))

    # Listening

    def bind(self, address: Any) -> None:
        state = _states[self]
        self._bind(state, self._parsed(address))

    def _bind(self, state: _State, own: Address) -> None:
        if state.own is not None:
            raise names.error(errno.EINVAL)
        if not names.is_unspecified(own.ip) and not state.host.has(own.ip):
            state.fabric.network.owner(own.ip, state.host)
            raise names.error(errno.EADDRNOTAVAIL)
        if own.family != state.family:
            raise Escape("a socket of IPv6 that is bound to an address of IPv4 is not simulated")
        fabric, host = state.fabric, state.host
        is_dual = own.ip == names.unspecified(socket.AF_INET6) and not self._is_of_ipv6_only()
        shares = bool(state.options.get((socket.SOL_SOCKET, socket.SO_REUSEPORT)))
        if own.port == 0:
            own = fabric.ephemeral(host, self.type, own.ip, is_dual)
        elif not fabric.is_free(host, self.type, own, is_dual, shares):
            raise names.error(errno.EADDRINUSE)
        name = fabric.bound_name(host, self.type, own, is_dual)
        _Native.bind(self, fabric.share(name) if shares else fabric.keep(name))
        state.own = own
        if self.type == socket.SOCK_DGRAM:
            state.post = Post(state.fabric, state.host, own, self)

    def listen(self, *backlog: int) -> None:
        state = _states[self]
        if state.own is None:
            self._bind(state, Address(names.unspecified(state.family), 0))
        _Native.listen(self, *backlog)

    def accept(self) -> tuple[socket.socket, Any]:
        self._refuse_to_block("accept")
        fileno, _ = self._accept()  # type: ignore[attr-defined]
        sock = socket.socket(self.family, self.type, self.proto, fileno=fileno)
        prepare(sock)
        if self.gettimeout() is None or socket.getdefaulttimeout() is not None:
            sock.settimeout(socket.getdefaulttimeout())
        return sock, sock.getpeername()

    # Connecting

    def connect(self, address: Any) -> None:
        if error := self.connect_ex(address):
            raise names.error(error)

    def connect_ex(self, address: Any) -> int:
        state, peer = _states[self], self._parsed(address)
        try:
            if self.type == socket.SOCK_DGRAM:
                self._connect_datagrams(state, peer)
                return 0
            if state.request is not None:
                return self._connected(state.request)
            if self._end() is not None:
                return errno.EISCONN
            self._refuse_to_block("connect")
            state.request = state.fabric.connect(self, state.family, state.host, state.own, peer)
        except OSError as error:
            return error.errno or errno.EINVAL
        return errno.EINPROGRESS

    def _connected(self, request: Request) -> int:
        """What a program is told that connects once more: of the first time, then that it is done."""
        if request.is_open:
            return errno.EALREADY
        if request.was_told:
            return errno.EISCONN
        request.was_told = True
        return _states[self].fabric.world.take_failure(self.fileno())

    def _connect_datagrams(self, state: _State, peer: Address) -> None:
        fabric, host = state.fabric, state.host
        fabric.network.owner(peer.ip, host)
        if names.is_unspecified(peer.ip):
            peer = Address(names.loopback(peer.family), peer.port)
        if state.own is None:
            ip = fabric.route(host, peer.ip)
            if peer.family != state.family:
                ip = names.unspecified(state.family)
            self._bind(state, fabric.ephemeral(host, self.type, ip))
        assert state.post is not None
        state.post.peer = peer

    # Bytes

    def _refuse_to_block(self, call: str) -> None:
        if self.gettimeout() != 0:
            raise Escape(f"{call}() of a blocking socket would stop the simulation")

    def _failure(self) -> OSError | None:
        number = _states[self].fabric.world.take_failure(self.fileno())
        return OSError(number, os.strerror(number)) if number else None

    def recv(self, *args: Any) -> bytes:
        self._refuse_to_block("recv")
        if self.type == socket.SOCK_DGRAM:
            return self.recvfrom(*args)[0]
        self._need_a_connection(errno.ENOTCONN)
        with self._failing():
            data = super().recv(*args)
        if not data and args[0] and (error := self._failure()):
            raise error
        return data

    def recv_into(self, buffer: Any, *args: Any) -> int:
        self._refuse_to_block("recv_into")
        if self.type == socket.SOCK_DGRAM:
            return self.recvfrom_into(buffer, *args)[0]
        self._need_a_connection(errno.ENOTCONN)
        with self._failing():
            count = super().recv_into(buffer, *args)
        if not count and len(memoryview(buffer)) and (error := self._failure()):
            raise error
        return count

    def send(self, *args: Any) -> int:
        self._refuse_to_block("send")
        if self.type == socket.SOCK_DGRAM:
            return self._send_labelled(args[0], None)
        self._need_a_connection(errno.EPIPE)
        with self._failing():
            return super().send(*args)

    def sendall(self, *args: Any) -> None:
        self._refuse_to_block("sendall")
        if self.type == socket.SOCK_DGRAM:
            self._send_labelled(args[0], None)
            return
        with self._failing():
            super().sendall(*args)

    def sendmsg(self, *args: Any) -> int:
        self._refuse_to_block("sendmsg")
        if self.type == socket.SOCK_DGRAM:
            address = self._parsed(args[3]) if len(args) > 3 else None
            return self._send_labelled(b"".join(args[0]), address)
        with self._failing():
            return super().sendmsg(*args)

    def shutdown(self, how: int) -> None:
        if self.type == socket.SOCK_STREAM:
            self._need_a_connection(errno.ENOTCONN)
        super().shutdown(how)

    def _need_a_connection(self, error: int) -> None:
        try:
            if self.fileno() >= 0:
                _Native.getpeername(self)
        except OSError:
            raise names.error(error) from None

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Of a connection that has failed the kernel knows that it is over; the fabric knows why."""
        try:
            yield
        except (BrokenPipeError, ConnectionResetError) as told:
            raise (self._failure() or told) from None

    # Datagrams

    def recvfrom(self, size: int, *flags: int) -> tuple[bytes, Any]:
        self._refuse_to_block("recvfrom")
        if self.type != socket.SOCK_DGRAM:
            return self.recv(size, *flags), None
        data, source = names.unlabelled(super().recv(size + 32, *flags))
        return data[:size], source.to_python() if source else None

    def recvfrom_into(self, buffer: Any, size: int = 0, *flags: int) -> tuple[int, Any]:
        view = memoryview(buffer).cast("B")
        data, source = self.recvfrom(size or len(view), *flags)
        view[: len(data)] = data
        return len(data), source

    def sendto(self, data: Any, *rest: Any) -> int:
        self._refuse_to_block("sendto")
        return self._send_labelled(data, self._parsed(rest[-1]))

    def _send_labelled(self, data: Any, address: Address | None) -> int:
        state = _states[self]
        if address is not None:
            state.fabric.network.owner(address.ip, state.host)
        self.bind_if_new()
        assert state.post is not None
        if address is None and state.post.peer is None:
            raise names.error(errno.EDESTADDRREQ)
        data = bytes(data)
        if len(data) > 65507:
            raise names.error(errno.EMSGSIZE)
        _Native.send(self, names.label(address) + data)
        return len(data)

    def bind_if_new(self) -> None:
        """A socket of UDP has a port once it sends."""
        state = _states[self]
        if self.type == socket.SOCK_DGRAM and state.post is None:
            self._bind(state, Address(names.unspecified(state.family), 0))

    # Options

    def setsockopt(self, level: int, option: int, *value: Any) -> None:
        if level == socket.SOL_SOCKET and option not in _OWN_OPTIONS:
            _Native.setsockopt(self, level, option, *value)
            return
        if (level, option) in _OF_MANY:
            raise Escape("datagrams to many are not simulated")
        _states[self].options[level, option] = value[0]
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER) and isinstance(value[0], bytes):
            on, seconds = struct.unpack("ii", value[0])
            end = self._end()
            if end is not None:
                end.resets = bool(on) and seconds == 0

    def getsockopt(self, level: int, option: int, *size: int) -> Any:
        state = _states[self]
        if (level, option) in state.options:
            return state.options[level, option]
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            return state.fabric.world.take_failure(self.fileno()) or _Native.getsockopt(self, level, option)
        if (level, option) == (socket.SOL_SOCKET, socket.SO_DOMAIN):
            return int(state.family)
        if level == socket.SOL_SOCKET:
            return _Native.getsockopt(self, level, option, *size)
        if size:
            return bytes(size[0])
        # Transports have it set.
        return int((level, option) == (socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def _end(self) -> Any:
        try:
            return _states[self].fabric.ends.get(_Native.getpeername(self))
        except OSError:
            return None


# `socket.fromfd` and `dup` make one by the class's name.
SimulatedSocket.__name__ = "socket"
