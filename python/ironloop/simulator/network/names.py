"""How addresses are written: in names of UNIX sockets, in the labels of datagrams, and as Python has them.

The same names and labels are read in `crates/driver/src/disguise.rs`.
"""

from __future__ import annotations

import os
import socket
from typing import Any, NamedTuple

PREFIX = b"\0ironloop/"

# Kinds of labels beside the families.
_TO_PEER = b"\0"
_ERROR = b"\1"


class Address(NamedTuple):
    """An address of 4 or 16 bytes, and a port."""

    ip: bytes
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        return family_of(self.ip)

    def to_python(self) -> Any:
        text = text_of(self.ip)
        return (text, self.port) if len(self.ip) == 4 else (text, self.port, 0, 0)

    def digits(self) -> bytes:
        return b"%s%04x" % (self.ip.hex().encode(), self.port)


def family_of(ip: bytes) -> socket.AddressFamily:
    return socket.AF_INET if len(ip) == 4 else socket.AF_INET6


def text_of(ip: bytes) -> str:
    return socket.inet_ntop(family_of(ip), ip)


def parsed(text: str) -> bytes | None:
    """The bytes of a literal; None: it is a name."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text.partition("%")[0])
    except (OSError, ValueError):
        return None


def unspecified(family: int) -> bytes:
    return bytes(4 if family == socket.AF_INET else 16)


def loopback(family: int) -> bytes:
    return b"\x7f\0\0\1" if family == socket.AF_INET else bytes(15) + b"\1"


def is_loopback(ip: bytes) -> bool:
    return ip[:1] == b"\x7f" if len(ip) == 4 else ip == bytes(15) + b"\1"


_MAPPED = bytes(10) + b"\xff\xff"


def is_mapped(ip: bytes) -> bool:
    """Whether it is how a socket of IPv6 writes an address of IPv4."""
    return len(ip) == 16 and ip.startswith(_MAPPED)


def shown(address: Address, family: int) -> Address:
    """An address, as a socket of that family writes it."""
    if family == socket.AF_INET6 and len(address.ip) == 4:
        return Address(_MAPPED + address.ip, address.port)
    return address


def unmapped(address: Address) -> Address:
    return Address(address.ip[12:], address.port) if is_mapped(address.ip) else address


def is_of_many(ip: bytes) -> bool:
    """Whether it is multicast's, or everybody's."""
    return ip[0] >= 224 if len(ip) == 4 else ip[0] == 0xFF


def is_unspecified(ip: bytes) -> bool:
    return not any(ip)


def name(whose: str, own: Address, peer: Address | None = None) -> bytes:
    """For a UNIX socket that stands for this address, or for the simulator's end of such a connection."""
    return b"%s%s/%s/%s" % (PREFIX, whose.encode(), own.digits(), peer.digits() if peer else b"")


def read(name: Any) -> tuple[Address, Address | None] | None:
    """Own and peer of such a name; None: it is another's."""
    if type(name) is not bytes or not name.startswith(PREFIX):
        return None
    _, *addresses = name[len(PREFIX) :].split(b"/")
    if len(addresses) != 2:
        return None
    own, peer = addresses
    return _read(own), _read(peer) if peer else None


def _read(digits: bytes) -> Address:
    return Address(bytes.fromhex(digits[:-4].decode()), int(digits[-4:], 16))


def label(address: Address | None) -> bytes:
    """Before a datagram: whom it is for, or where it comes from; None: the connected peer."""
    if address is None:
        return _TO_PEER
    return bytes([4 if len(address.ip) == 4 else 6]) + address.ip + address.port.to_bytes(2)


def label_of_error(number: int) -> bytes:
    """A datagram that stands for an error: nobody listens."""
    return _ERROR + number.to_bytes(4)


def unlabelled(datagram: bytes) -> tuple[bytes, Address | None]:
    """
    Raises:
        OSError: it stands for an error.
    """
    kind = datagram[:1]
    if kind == _TO_PEER:
        return datagram[1:], None
    if kind == _ERROR:
        number = int.from_bytes(datagram[1:5])
        raise OSError(number, os.strerror(number))
    length = 4 if kind == b"\4" else 16
    ip, port = datagram[1 : 1 + length], datagram[1 + length : 3 + length]
    return datagram[3 + length :], Address(ip, int.from_bytes(port))


def error(number: int) -> OSError:
    """As the kernel's call raises it."""
    return OSError(number, os.strerror(number))
