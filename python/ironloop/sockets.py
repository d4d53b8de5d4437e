"""Which sockets the core may read and write by their descriptors alone."""

from __future__ import annotations

import socket
from typing import Any

_METHODS = ("accept", "recv", "recv_into", "recvfrom", "send", "sendmsg", "sendto")


def is_plain(sock: Any) -> bool:
    """False if Python code of the socket's own (a subclass, a mock) wants to see what it reads and writes."""
    kind = type(sock)
    if kind is socket.socket:
        return True
    return all(getattr(kind, name, None) is getattr(socket.socket, name) for name in _METHODS)
