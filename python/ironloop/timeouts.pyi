from asyncio import timeout as timeout
from asyncio import timeout_at as timeout_at
from asyncio import wait_for as wait_for
from asyncio.timeouts import Timeout as Timeout

__all__ = ("Timeout", "timeout", "timeout_at", "wait_for")
