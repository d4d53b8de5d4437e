"""What a connection with TLS shows under asyncio's private names.

Programs look for the class of its transport, and reach through `transport._ssl_protocol` for the context, the
certificate, the socket's own transport, and whether reading is paused. We have no such protocol; this
says what it would. Made when asked for, and never by us.
"""

from __future__ import annotations

from asyncio import constants, sslproto, transports
from typing import Any

_Base: Any = getattr(sslproto, "_SSLProtocolTransport", transports.Transport)

# As the core names where a connection stands.
_STATES = {
    "handshaking": "DO_HANDSHAKE",
    "open": "WRAPPED",
    "flushing": "FLUSHING",
    "closing": "SHUTDOWN",
    "over": "UNWRAPPED",
}


class SSLStreamTransport(_Base):  # type: ignore[misc]
    """What the transport of a stream with TLS says it is (`__class__`); it is made of `StreamTransport`.

    What is here is what it has beyond that. It reads nothing from the socket while it is paused, so
    the limits of its read buffer are kept for who asks, and never met.
    """

    @property
    def _ssl_protocol(self) -> Any:
        return SSLProtocolView(self)

    def set_read_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        kilobytes = constants.FLOW_CONTROL_HIGH_WATER_SSL_READ
        high, low = sslproto.add_flowcontrol_defaults(high, low, kilobytes)
        self._read_buffer_limits = low, high

    def get_read_buffer_limits(self) -> tuple[int, int]:
        limits: tuple[int, int] | None = getattr(self, "_read_buffer_limits", None)
        if limits is None:
            SSLStreamTransport.set_read_buffer_limits(self)
            limits = self._read_buffer_limits
        return limits

    def get_read_buffer_size(self) -> int:
        """How much has come that is not decrypted yet, in bytes."""
        size: int = self._tls["received"]
        return size


class SSLProtocolView:
    """As asyncio's `SSLProtocol` of the connection, for those who look; only the protocol can be set."""

    __slots__ = ("_app_transport",)

    def __init__(self, transport: Any) -> None:
        self._app_transport = transport

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SSLProtocolView) and self._app_transport is other._app_transport

    def __hash__(self) -> int:
        return hash(self._app_transport)

    @property
    def _loop(self) -> Any:
        return self._app_transport._loop

    @property
    def _transport(self) -> Any:
        """The transport beneath, which is the same one, unless `start_tls` has put ours onto another."""
        if self._app_protocol is None:
            return None
        return self._app_transport._beneath or self._app_transport

    @property
    def _app_protocol(self) -> Any:
        return self._app_transport.get_protocol()

    @_app_protocol.setter
    def _app_protocol(self, protocol: Any) -> None:
        self._app_transport.set_protocol(protocol)

    @property
    def _sslcontext(self) -> Any:
        return self._app_transport.get_extra_info("sslcontext")

    @property
    def _sslobj(self) -> Any:
        return self._app_transport._tls["object"]

    @property
    def _server_side(self) -> bool:
        return bool(self._sslobj.server_side)

    @property
    def _server_hostname(self) -> Any:
        return self._sslobj.server_hostname

    @property
    def _extra(self) -> dict[str, Any]:
        names = ("sslcontext", "peercert", "cipher", "compression", "ssl_object")
        if self._app_transport.get_extra_info("ssl_object") is None:
            names = names[:1]
        return {name: self._app_transport.get_extra_info(name) for name in names}

    @property
    def _state(self) -> Any:
        phase = "over" if self._transport is None else self._app_transport._tls["phase"]
        return sslproto.SSLProtocolState[_STATES[phase]]

    @property
    def _app_reading_paused(self) -> bool:
        return bool(self._app_transport._paused)

    @property
    def _app_writing_paused(self) -> bool:
        return bool(self._app_transport._protocol_paused)

    @property
    def _ssl_handshake_timeout(self) -> Any:
        return self._app_transport._tls["handshake_timeout"]

    @property
    def _ssl_shutdown_timeout(self) -> Any:
        return self._app_transport._tls["shutdown_timeout"]

    def _get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._app_transport.get_extra_info(name, default)

    def _set_app_protocol(self, protocol: Any) -> None:
        self._app_transport.set_protocol(protocol)

    def _get_app_transport(self) -> Any:
        return self._app_transport

    def _get_read_buffer_size(self) -> int:
        return SSLStreamTransport.get_read_buffer_size(self._app_transport)

    def _get_write_buffer_size(self) -> int:
        size: int = self._app_transport.get_write_buffer_size()
        return size

    def _is_transport_closing(self) -> bool:
        return bool(self._app_transport.is_closing())

    def _start_shutdown(self) -> None:
        self._app_transport.close()

    def _abort(self, error: BaseException | None) -> None:
        self._app_transport._force_close(error)
