"""An HTTP client whose requests are awaited like any coroutine, on asyncio, uvloop and ironloop.

async with fetch.Client() as client:
    reply = await client.get("https://example.org")
    print(reply.status, await reply.text())
"""

from ._fetch import Client, Headers, Reply
from .errors import (
    ClosedError,
    ConnectError,
    ConnectTimeout,
    Disconnected,
    FetchError,
    InvalidURL,
    ProtocolError,
    StatusError,
    Timeout,
    TLSError,
    TooManyRedirects,
)

__all__ = [
    "Client",
    "ClosedError",
    "ConnectError",
    "ConnectTimeout",
    "Disconnected",
    "FetchError",
    "Headers",
    "InvalidURL",
    "ProtocolError",
    "Reply",
    "StatusError",
    "TLSError",
    "Timeout",
    "TooManyRedirects",
]
