"""`asyncio.StreamReader`, `StreamWriter` and their protocol, native where they run per read and per write.

What is not native is asyncio's own code of the running Python: inherited, or, where it names these classes,
run with the names leading to ours.
"""

from __future__ import annotations

from asyncio import streams
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ironloop import _ironloop
from ironloop.stand_in import Copyable, StandIn


class StreamReader(_ironloop.StreamReaderCore, Copyable, streams.StreamReader, metaclass=StandIn):
    """What has been received and not yet read. (asyncio: StreamReader)

    Arguments: `limit`, in bytes, of a line and of half of what is buffered; `loop`. Raises ValueError for a
    limit that is not positive.
    """

    __module__ = "ironloop"
    _stands_for = streams.StreamReader


class StreamWriter(_ironloop.StreamWriterCore, streams.StreamWriter, metaclass=StandIn):
    """What is written goes to a transport. (asyncio: StreamWriter)

    Arguments: the transport, its protocol, the reader of the same connection or None, and the loop.
    """

    __module__ = "ironloop"
    _stands_for = streams.StreamWriter


class StreamReaderProtocol(
    _ironloop.StreamReaderProtocolCore, streams.StreamReaderProtocol, metaclass=StandIn
):
    """From a transport to a reader. (asyncio: StreamReaderProtocol)

    Arguments: the reader; `client_connected_cb`, called with reader and writer once there is a connection,
    made a task if it returns a coroutine; `loop`.
    """

    __module__ = "ironloop"
    _stands_for = streams.StreamReaderProtocol


_ironloop.equip_streams(StreamReader, StreamWriter, StreamReaderProtocol)

# asyncio's functions look these three up where they stand: here, for the functions below.
_names = {
    **vars(streams),
    "__name__": "ironloop",
    "StreamReader": StreamReader,
    "StreamWriter": StreamWriter,
    "StreamReaderProtocol": StreamReaderProtocol,
}


def _with_our_classes(function: Any) -> Callable[..., Any]:
    """asyncio's function, making our readers, writers and protocols."""
    ours = FunctionType(
        function.__code__, _names, function.__name__, function.__defaults__, function.__closure__
    )
    ours.__kwdefaults__ = function.__kwdefaults__
    return ours


open_connection = _with_our_classes(streams.open_connection)
start_server = _with_our_classes(streams.start_server)
open_unix_connection = _with_our_classes(streams.open_unix_connection)
start_unix_server = _with_our_classes(streams.start_unix_server)
StreamReaderProtocol.connection_made = _with_our_classes(  # type: ignore[method-assign]
    streams.StreamReaderProtocol.connection_made
)
