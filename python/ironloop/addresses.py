"""What `socket.getaddrinfo` answers, in less time: of an address literal without asking the C library.

Of a literal there is nothing to look up: but for the address itself, an answer depends only on what kind of
address is asked for, so each kind is asked once. Any thread may use it.
"""

from __future__ import annotations

import _socket
import socket
import sys
from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any

_getaddrinfo: Any = socket.getaddrinfo
# Not if something else stood there already.
_stock: Any = _getaddrinfo if getattr(_getaddrinfo, "__globals__", None) is vars(socket) else None
_code = getattr(_stock, "__code__", None)

# To call the enum takes as long as to look a name up in `/etc/hosts`.
_families = {int(family): family for family in socket.AddressFamily}
_kinds = {int(kind): kind for kind in socket.SocketKind}

# All flags but those that change nothing where host and port are numbers. (As an enum it would be slow.)
_OTHERS = ~int(socket.AI_PASSIVE | socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)

# Address family of the literal, and what is asked for: the answers but for the address.
_shapes: dict[tuple[int, ...], list[tuple[Any, ...]]] = {}


def is_stock(function: Any) -> bool:
    """Whether this is `socket.getaddrinfo` as Python has it, and no tool has exchanged its code."""
    return function is _stock and function.__code__ is _code


def may_be_literal(host: str) -> bool:
    """False of most names, at once."""
    return host[-1:].isdigit() or ":" in host


def look_up(host: Any, port: Any, family: int, kind: int, proto: int, flags: int) -> list[Any]:
    """What `socket.getaddrinfo` does."""
    return named(_socket.getaddrinfo(host, port, family, kind, proto, flags))


def named(answers: list[Any]) -> list[Any]:
    """Numbers that have names get them, as in the socket module."""
    return [(_families.get(family, family), _kinds.get(kind, kind), *rest) for family, kind, *rest in answers]


def of_literal(host: Any, port: Any, family: int, kind: int, proto: int, flags: int) -> list[Any] | None:
    """The same, if both host and port are plain numbers; the port an int."""
    if type(host) is not str or type(port) is not int or not 0 <= port <= 0xFFFF:
        return None
    if (flags and flags & _OTHERS) or not may_be_literal(host):
        return None
    address: tuple[Any, ...]
    try:
        if ":" in host:
            own = AF_INET6
            address = (inet_ntop(own, inet_pton(own, host)), port, 0, 0)
        else:
            own = AF_INET
            # No other text means the same.
            inet_pton(own, host)
            address = (host, port)
    except (OSError, ValueError):
        return None
    asked = (own, family, kind, proto)
    shape = _shapes.get(asked)
    if shape is None:
        answers = look_up(host, port, family, kind, proto, flags)
        # musl's canonical name of a literal is the literal itself, whatever the flags; glibc has none.
        if all(answer[3:] == ("", address) for answer in answers):
            _shapes[asked] = [answer[:4] for answer in answers]
        return answers
    sys.audit("socket.getaddrinfo", host, port, family, kind, proto)
    return [(*answer, address) for answer in shape]
