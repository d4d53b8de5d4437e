"""The event loop policy, for the Pythons that still have policies."""

from __future__ import annotations

import functools
import warnings

from ironloop.loop import Loop

with warnings.catch_warnings():
    # Deprecated from Python 3.14 on, and still what `asyncio.run` without a loop factory asks.
    warnings.simplefilter("ignore", DeprecationWarning)
    from asyncio import DefaultEventLoopPolicy


class EventLoopPolicy(DefaultEventLoopPolicy):
    """A policy whose loops are ironloop's. (asyncio: DefaultEventLoopPolicy)"""

    _loop_factory = Loop

    def __init__(self, *, native: bool | None = None) -> None:
        """
        Args:
            native: whether tasks and futures are ironloop's own; None leaves it to the environment.
        """
        super().__init__()
        if native is not None:
            self._loop_factory = functools.partial(type(self)._loop_factory, native=native)  # type: ignore[assignment]
