"""What a client raises. All are OSErrors, and the ones that Python has a word for are that too."""

from __future__ import annotations


class FetchError(OSError):
    """Whatever a request fails with."""


class InvalidURL(FetchError, ValueError):
    """It is no address of a server: no ``http://`` or ``https://``, or no host."""


class ConnectError(FetchError, ConnectionError):
    """No connection came about; ``errno`` says why, where the system does."""


class TLSError(ConnectError):
    """The server is not whom it says it is, or does not speak TLS."""


class Timeout(FetchError, TimeoutError):
    """The reply had not come as a whole in time."""


class ConnectTimeout(ConnectError, Timeout):
    """The connection took longer than ``connect_timeout``."""


class Disconnected(FetchError, ConnectionError):
    """The connection ended before the reply did."""


class ProtocolError(FetchError):
    """What came is not HTTP."""


class TooManyRedirects(FetchError):
    """The server sends us on and on."""


class ClosedError(FetchError):
    """The client is closed, or the reply's body was given out already."""


class StatusError(FetchError):
    """Of `Reply.raise_for_status`: ``status`` is 400 or above."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status
