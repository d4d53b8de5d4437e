import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ironloop._ironloop import VirtualClock
from ironloop.loop import Loop

_T = TypeVar("_T")

class Runner(asyncio.Runner):  # type: ignore[misc]
    def __init__(
        self,
        *,
        debug: bool | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        native: bool | None = None,
    ) -> None: ...

def new_event_loop(
    *, nested: bool = False, native: bool | None = None, clock: VirtualClock | None = None
) -> Loop: ...
def run(
    main: Coroutine[Any, Any, _T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    native: bool | None = None,
) -> _T: ...
def install(*, native: bool | None = None) -> None: ...
def uninstall() -> None: ...
def on_uninstall(leave: Callable[[], object]) -> None: ...
