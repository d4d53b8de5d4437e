"""Which sockets the core may read and write by their descriptors alone."""

from __future__ import annotations

import _socket
import socket
from typing import Any

# The class of this moment: tools put another in its place.
_Socket = socket.socket
_METHODS = ("accept", "fileno", "recv", "recv_into", "recvfrom", "send", "sendmsg", "sendto", "shutdown")


def is_plain(sock: Any) -> bool:
    """False if Python code of the socket's own (a subclass, a mock) wants to see what it reads and writes."""
    kind = type(sock)
    if kind is _Socket or getattr(kind, "_is_simulated", False):
        return True
    own = getattr(sock, "__dict__", ())
    return issubclass(kind, _socket.socket) and all(
        name not in own and getattr(kind, name, None) is getattr(_Socket, name) for name in _METHODS
    )
