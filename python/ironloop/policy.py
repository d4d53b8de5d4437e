"""The event loop policy, for the Pythons that still have policies."""

from __future__ import annotations

import warnings

from ironloop.loop import Loop

with warnings.catch_warnings():
    # Deprecated from Python 3.14 on, and still what `asyncio.run` without a loop factory asks.
    warnings.simplefilter("ignore", DeprecationWarning)
    from asyncio import DefaultEventLoopPolicy


class EventLoopPolicy(DefaultEventLoopPolicy):
    """A policy whose loops are ironloop's. (asyncio: DefaultEventLoopPolicy)"""

    _loop_factory = Loop
