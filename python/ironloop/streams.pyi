import asyncio
from asyncio.streams import open_connection as open_connection
from asyncio.streams import open_unix_connection as open_unix_connection
from asyncio.streams import start_server as start_server
from asyncio.streams import start_unix_server as start_unix_server
from collections.abc import Callable
from typing import Any

__all__ = (
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_unix_server",
)

class StreamReader(asyncio.StreamReader):
    def __init__(self, limit: int = 65536, loop: asyncio.AbstractEventLoop | None = None) -> None: ...

class StreamWriter(asyncio.StreamWriter):
    def __init__(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.BaseProtocol,
        reader: asyncio.StreamReader | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None: ...

class StreamReaderProtocol(asyncio.StreamReaderProtocol):
    def __init__(
        self,
        stream_reader: asyncio.StreamReader,
        client_connected_cb: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None: ...
