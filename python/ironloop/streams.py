"""`asyncio.StreamReader`, `StreamWriter` and their protocol, native where they run per read and per write.

What is not native is asyncio's own code of the running Python: inherited, or, where it names these classes,
run with the names leading to ours.
"""

from __future__ import annotations

import inspect
from asyncio import streams
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ironloop import _ironloop
from ironloop.stand_in import Copyable, StandIn

__all__ = (
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_unix_server",
)


class StreamReader(_ironloop.StreamReaderCore, Copyable, streams.StreamReader, metaclass=StandIn):
    """What has been received and not yet read: `read`, `readline`, `readexactly`, `readuntil`, `async for`.

    Commonly made by `open_connection` and `start_server`. Counterpart: `asyncio.StreamReader`.

    Args:
        limit: bytes that a line may have, and half of what may be buffered before the peer has to wait.
        loop: whose it is; by default the loop that runs.

    Raises:
        ValueError: `limit` is not positive; by `readline` of a line that is longer.
        IncompleteReadError: by `readexactly` and `readuntil` if the end came before; `partial` has what
            came.
        LimitOverrunError: by `readuntil` if the separator is not found within the limit.
        RuntimeError: by a read while another task reads.
    """

    __module__ = "ironloop"
    _stands_for = streams.StreamReader


class StreamWriter(_ironloop.StreamWriterCore, streams.StreamWriter, metaclass=StandIn):
    """What is written goes to a transport: `write`, and `await drain()`, which waits while much is unsent.

    Commonly made by `open_connection` and `start_server`. Counterpart: `asyncio.StreamWriter`.

    Args:
        transport: where it goes.
        protocol: the transport's, a `StreamReaderProtocol`.
        reader: of the same connection, or None.
        loop: whose it is.

    Raises:
        ConnectionResetError: by `drain` once the connection is lost; or what it was lost by.
    """

    __module__ = "ironloop"
    _stands_for = streams.StreamWriter


class StreamReaderProtocol(
    _ironloop.StreamReaderProtocolCore, streams.StreamReaderProtocol, metaclass=StandIn
):
    """The protocol between a transport and a reader. Counterpart: `asyncio.StreamReaderProtocol`.

    Args:
        stream_reader: who gets what is received.
        client_connected_cb: called with reader and writer once there is a connection; what it returns is made
            a task if it is a coroutine.
        loop: whose it is; by default the loop that runs.
    """

    __module__ = "ironloop"
    _stands_for = streams.StreamReaderProtocol

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tells the reader, and whoever waits for room or for the end."""
        super().connection_lost(exc)
        # `wait_closed` raises it, but nobody has to ask. asyncio says so in `__del__`: too late where the
        # collector comes to the future first.
        if self._closed.done() and not self._closed.cancelled():
            self._closed.exception()


_ironloop.native_streams(StreamReader, StreamWriter, StreamReaderProtocol)

_OURS: dict[str, Any] = {ours.__name__: ours for ours in (StreamReader, StreamWriter, StreamReaderProtocol)}


class _Names(dict[str, Any]):
    """asyncio's module as it is by now, with our classes where it has asyncio's."""

    def __missing__(self, name: str) -> Any:
        found = vars(streams)[name]
        ours = _OURS.get(name)
        return ours if ours is not None and found is ours._stands_for else found


_names = _Names(__name__="ironloop")


def _with_our_classes(function: Any) -> Callable[..., Any]:
    """asyncio's function, making our readers, writers and protocols.

    What a tool has put around it is left out; what a tool has put in its place, whatever that is, stays.
    """
    own = inspect.unwrap(function)
    if not isinstance(own, FunctionType):
        return function  # type: ignore[no-any-return]
    ours = FunctionType(own.__code__, _names, own.__name__, own.__defaults__, own.__closure__)
    ours.__kwdefaults__ = own.__kwdefaults__
    return ours


def _standing_for(function: Any) -> Callable[..., Any]:
    """The same for one that programs name: to whoever looks it is asyncio's."""
    ours = _with_our_classes(function)
    return ours if ours is function else _ironloop.stand_for(ours, inspect.unwrap(function))


open_connection = _standing_for(streams.open_connection)
start_server = _standing_for(streams.start_server)
open_unix_connection = _standing_for(streams.open_unix_connection)
start_unix_server = _standing_for(streams.start_unix_server)
StreamReaderProtocol.connection_made = _with_our_classes(  # type: ignore[method-assign]
    streams.StreamReaderProtocol.connection_made
)
