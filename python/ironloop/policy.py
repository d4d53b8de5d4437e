"""The event loop policy, for the Pythons that still have policies."""

from __future__ import annotations

import asyncio
import functools
import warnings

from ironloop.loop import make_loop
from ironloop.private import gone_from_loop

with warnings.catch_warnings():
    # Deprecated from Python 3.14 on, and still what `asyncio.run` without a loop factory asks.
    warnings.simplefilter("ignore", DeprecationWarning)
    from asyncio import DefaultEventLoopPolicy


class EventLoopPolicy(DefaultEventLoopPolicy):
    """A policy whose loops are ironloop's; Python deprecates policies from 3.14 on.

    Counterpart: `asyncio.DefaultEventLoopPolicy`.
    """

    _loop_factory = asyncio.SelectorEventLoop if gone_from_loop else staticmethod(make_loop)

    def __init__(self, *, native: bool | None = None) -> None:
        """
        Args:
            native: whether tasks and futures are ironloop's own; None leaves it to the environment.
        """
        super().__init__()
        if native is not None and not gone_from_loop:
            self._loop_factory = functools.partial(make_loop, native=native)
