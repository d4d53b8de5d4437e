"""Listening sockets: whose connections the loop's listener accepts, and whose asyncio's own code does."""

from __future__ import annotations

import contextlib
import socket
from asyncio import constants, trsock
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ironloop import tls
from ironloop.loop import Loop, if_known
from ironloop.sockets import is_plain

if TYPE_CHECKING:
    import ssl
    from contextvars import Context


class Serving:
    """How a loop accepts connections."""

    __slots__ = ()

    def _start_serving(
        self,
        protocol_factory: Callable[[], Any],
        sock: socket.socket,
        sslcontext: ssl.SSLContext | None = None,
        server: Any = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = constants.SSL_HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout: float | None = constants.SSL_SHUTDOWN_TIMEOUT,
        *,
        context: Context | None = None,
        **more: Any,
    ) -> None:
        loop: Any = self
        timeouts = (ssl_handshake_timeout, ssl_shutdown_timeout)
        # asyncio tells of a wrong timeout with each connection.
        is_sound = all(timeout is None or timeout > 0 for timeout in timeouts)
        if is_plain(sock) and (sslcontext is None or (is_sound and tls.is_native(loop))):
            loop._check_closed()
            asked = None if sslcontext is None else tls.checked(sslcontext, True, None, *timeouts)
            loop._listen(protocol_factory, sock, server, backlog, context, asked)
            return
        more |= if_known(context)
        of_asyncio = super(Loop, loop)
        of_asyncio._start_serving(protocol_factory, sock, sslcontext, server, backlog, *timeouts, **more)
        loop._name_reader(sock.fileno(), sock)

    def _accept_connection(
        self, protocol_factory: Callable[[], Any], sock: socket.socket, *more: Any, **context: Any
    ) -> None:
        loop: Any = self
        if sock.fileno() == -1:
            # Closed by its owner while a copy lives, which is reported for ever: the error is told once.
            loop._remove_reader(sock)
        super(Loop, loop)._accept_connection(protocol_factory, sock, *more, **context)

    def _stop_serving(self, sock: socket.socket) -> None:
        loop: Any = self
        if sock.fileno() >= 0:
            super(Loop, loop)._stop_serving(sock)
            return
        # Its owner has closed it already. asyncio raises here, and leaves the server's other sockets open.
        with contextlib.suppress(ValueError):
            loop._remove_reader(sock)
        getattr(loop, "_unix_server_sockets", {}).pop(sock, None)

    def _accept_failed(
        self, exc: OSError, protocol_factory: Callable[[], Any], sock: socket.socket, *more: Any
    ) -> None:
        """No descriptor or memory for another connection: the loop lives on and tries again in a second."""
        loop: Any = self
        if sock.fileno() < 0:
            return
        loop._remove_reader(sock.fileno())
        loop.call_exception_handler(
            {
                "message": "socket.accept() out of system resource",
                "exception": exc,
                "socket": trsock.TransportSocket(sock),
            }
        )
        loop.call_later(constants.ACCEPT_RETRY_DELAY, loop._serve_again, protocol_factory, sock, *more)

    def _serve_again(self, protocol_factory: Callable[[], Any], sock: socket.socket, *more: Any) -> None:
        loop: Any = self
        # The server may have been closed in the meantime.
        if sock.fileno() >= 0:
            loop._listen(protocol_factory, sock, *more)
