import asyncio
from asyncio.streams import open_connection as open_connection
from asyncio.streams import open_unix_connection as open_unix_connection
from asyncio.streams import start_server as start_server
from asyncio.streams import start_unix_server as start_unix_server

__all__ = (
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_unix_server",
)

class StreamReader(asyncio.StreamReader): ...
class StreamWriter(asyncio.StreamWriter): ...
class StreamReaderProtocol(asyncio.StreamReaderProtocol): ...
