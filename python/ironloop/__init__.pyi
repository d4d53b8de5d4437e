from ironloop._ironloop import __version__ as __version__
from ironloop.loop import Loop as Loop
from ironloop.policy import EventLoopPolicy as EventLoopPolicy
from ironloop.runner import install as install
from ironloop.runner import new_event_loop as new_event_loop
from ironloop.runner import run as run
from ironloop.runner import uninstall as uninstall
from ironloop.streams import StreamReader as StreamReader
from ironloop.streams import StreamReaderProtocol as StreamReaderProtocol
from ironloop.streams import StreamWriter as StreamWriter
from ironloop.streams import open_connection as open_connection
from ironloop.streams import open_unix_connection as open_unix_connection
from ironloop.streams import start_server as start_server
from ironloop.streams import start_unix_server as start_unix_server

__all__ = (
    "EventLoopPolicy",
    "Loop",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "__version__",
    "install",
    "new_event_loop",
    "open_connection",
    "open_unix_connection",
    "run",
    "start_server",
    "start_unix_server",
    "uninstall",
)
