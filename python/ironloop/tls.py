"""What TLS is asked for, and `start_tls`: a connection goes over to TLS in the state it is in.

TLS is our transports' own (`crates/python/src/io/stream/tls`), from the beginning of a connection or, after
`start_tls`, by a second transport on top of the first (`beneath.rs`). Over another's transport, and where
`tls_path()` says so, it is asyncio's `SSLProtocol`.
"""

from __future__ import annotations

from asyncio import constants, sslproto, streams, tasks
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

from ironloop._ironloop import tls_path, tls_path_reason

if TYPE_CHECKING:
    import asyncio
    import ssl

# Seconds for the peer's word of its end, once it has all of ours. It owes none, so that nobody waits for long
# who has not asked for it; asyncio waits for as long as the whole shutdown may take.
ANSWER_TIMEOUT = 3.0


def is_native(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether TLS is the transport's own. Debug mode logs how it is done."""
    if sslproto.ssl is None:  # type: ignore[attr-defined]
        return False
    path = tls_path()
    if loop.get_debug():
        logger.debug("TLS by %s%s", path, f": {reason}" if (reason := tls_path_reason()) else "")
    return path != "asyncio"


def checked(
    sslcontext: ssl.SSLContext | None,
    server_side: bool,
    server_hostname: str | None,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
) -> tuple[Any, ...]:
    """What asyncio's `SSLProtocol` makes of its arguments.

    Raises:
        ValueError: a timeout is not positive, or a server has no context.
    """
    if handshake_timeout is None:
        handshake_timeout = constants.SSL_HANDSHAKE_TIMEOUT
    elif handshake_timeout <= 0:
        raise ValueError(f"ssl_handshake_timeout should be a positive number, got {handshake_timeout}")
    answer_timeout = shutdown_timeout
    if shutdown_timeout is None:
        shutdown_timeout = constants.SSL_SHUTDOWN_TIMEOUT
        answer_timeout = min(shutdown_timeout, ANSWER_TIMEOUT)
    elif shutdown_timeout <= 0:
        raise ValueError(f"ssl_shutdown_timeout should be a positive number, got {shutdown_timeout}")
    if not sslcontext:
        sslcontext = sslproto._create_transport_context(server_side, server_hostname)
    host = server_hostname if server_hostname and not server_side else None
    return sslcontext, server_side, host, handshake_timeout, shutdown_timeout, answer_timeout


class TlsUpgrade:
    """How a loop puts TLS under the protocol of a connection that exists."""

    __slots__ = ()

    async def start_tls(
        self,
        transport: Any,
        protocol: Any,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> Any:
        """Goes over to TLS; returns the transport that the protocol uses from now on.

        It returns None for a transport that is closed, or being closed. What a server's stream reader has
        received beyond what was read is the beginning of the handshake. A protocol that is paused for
        writing is resumed once what it has written is sent, as without TLS.

        Raises:
            TypeError: `sslcontext` is no such context, or the transport cannot go over to TLS.
            ssl.SSLError: the handshake has failed.
            OSError: the connection has failed.

        Counterpart: asyncio's `loop.start_tls`.
        """
        loop: Any = self
        if sslproto.ssl is None:  # type: ignore[attr-defined]
            raise RuntimeError("Python ssl module is not available")
        if not isinstance(sslcontext, sslproto.ssl.SSLContext):  # type: ignore[attr-defined]
            raise TypeError(f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}")
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        waiter = loop.create_future()
        asked = (sslcontext, server_side, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout)
        if is_native(loop) and (upgraded := _upgrade(loop, transport, protocol, waiter, asked)) is not None:
            if not upgraded:
                # The protocol hears of the end first.
                await tasks.sleep(0)
                return None
            try:
                await waiter
            except BaseException:
                transport.close()
                del waiter, upgraded
                raise
            return upgraded
        tls = TlsProtocol(
            loop,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
            call_connection_made=False,
        )
        # Nothing may come before `connection_made`.
        transport.pause_reading()
        tls.take_over(transport)
        transport.set_protocol(tls)
        begin = loop.call_soon(tls.connection_made, transport)
        go_on = loop.call_soon(transport.resume_reading)
        try:
            await waiter
        except BaseException:
            transport.close()
            begin.cancel()
            go_on.cancel()
            # The error's traceback holds this frame, which would hold the error.
            del waiter
            raise
        return tls._app_transport


def _upgrade(loop: Any, transport: Any, protocol: Any, waiter: Any, asked: tuple[Any, ...]) -> Any:
    """A transport with TLS on top of one of ours, None for another's, False for one that is closed.

    The reader goes over at once: it may get data, and be full, before whoever waits for the handshake runs
    again.
    """
    reader = protocol._stream_reader if isinstance(protocol, streams.StreamReaderProtocol) else None
    buffer = reader._buffer if reader is not None and asked[1] else b""
    tls = checked(*asked)
    try:
        upgraded = loop._tls_upgrade(transport, protocol, waiter, tls, bytes(buffer))
    except BaseException:
        transport.close()
        raise
    if upgraded and reader is not None:
        _hand_over(reader, upgraded)
        if buffer:
            buffer.clear()
    return upgraded


def _hand_over(reader: Any, transport: Any) -> None:
    # From now on it gets its data from the new one, and it is that which it pauses. What it has paused is
    # resumed. (One that knows of no transport yet is told of the new one by its protocol, once TLS stands.)
    if reader._transport is not None:
        reader._transport = transport
        reader._paused = False


class TlsProtocol(sslproto.SSLProtocol):
    """TLS under a protocol that has used the transport before."""

    # Whether the protocol waits for the transport to send what was written before there was TLS.
    _sends_plain = False

    def take_over(self, transport: Any) -> None:
        """Takes what the transport has told the protocol, and what a server's reader has not read yet."""
        if getattr(transport, "_protocol_paused", False):
            self._sends_plain = self._ssl_writing_paused = self._app_writing_paused = True
        protocol = self._app_protocol
        reader = protocol._stream_reader if isinstance(protocol, streams.StreamReaderProtocol) else None
        if reader is None:
            return
        _hand_over(reader, self._app_transport)
        if self._server_side:
            buffer = reader._buffer
            self._incoming.write(buffer)
            buffer.clear()

    def resume_writing(self) -> None:
        self._sends_plain = False
        super().resume_writing()

    def _control_app_writing(self) -> None:
        # Our own buffer is as good as empty, but the transport's is not.
        if not self._sends_plain:
            super()._control_app_writing()
