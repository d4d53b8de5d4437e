"""ironloop for a whole program, which says nothing of it: what `python -m ironloop` and `IRONLOOP=1` do.

Beyond `install()`, the loops that the program names are ironloop's (`named_loops.py`), and should none of
ironloop's have run in the end, but others have, one line on stderr says so. `uninstall()` takes all of it
back.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
from asyncio import events
from typing import Any

from _ironloop_start import AfterImport

from ironloop import named_loops
from ironloop.loop import Loop
from ironloop.runner import install, on_uninstall
from ironloop.stand_in import teach_dill

# Children inherit it, and `_ironloop_start` looks at it. 0: not even the command takes over.
VARIABLE = "IRONLOOP"


def is_refused() -> bool:
    """Whether the environment says that programs be left alone."""
    return os.environ.get(VARIABLE) == "0"


_taken = False


def take_over() -> None:
    """Puts ironloop behind all names of asyncio's, those of loops too, and behind uvloop's."""
    global _taken
    if _taken:
        return
    _taken = True
    install()
    named_loops.put()
    if "uvloop" in sys.modules:
        named_loops.put_in_uvloop()
        uvloop = None
    else:
        uvloop = AfterImport(("uvloop",), named_loops.put_in_uvloop)
    # Put before the program imports it; a loop's names tell it what is imported already.
    dill = None if "dill" in sys.modules else AfterImport(("dill",), teach_dill)
    watch = _Watch()

    def leave() -> None:
        global _taken
        _taken = False
        watch.end()
        named_loops.restore()
        for expected in (uvloop, dill):
            if expected is not None:
                expected.end()

    on_uninstall(leave)


class _Watch:
    """Stands as asyncio's `_set_running_loop`, until a loop of ironloop's runs: which other has run?"""

    def __init__(self) -> None:
        self._stock = events._set_running_loop
        self._other: type | None = None
        self._ended = False
        self._put(self._stock, self)
        atexit.register(self._tell)
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self, loop: Any) -> None:
        self._stock(loop)
        # uvloop, for one, has got hold of it for ever.
        if loop is None or self._ended:
            return
        if isinstance(loop, Loop):
            self.end()
        elif self._other is None:
            self._other = type(loop)

    def end(self) -> None:
        """There is nothing to say."""
        self._ended = True
        atexit.unregister(self._tell)
        self._put(self, self._stock)

    def _put(self, old: Any, new: Any) -> None:
        for module in (asyncio, events):
            if vars(module)["_set_running_loop"] is old:
                module._set_running_loop = new  # type: ignore[attr-defined]

    def _forget(self) -> None:
        self._other = None

    def _tell(self) -> None:
        if self._other is not None:
            name = f"{self._other.__module__}.{self._other.__qualname__}"
            print(f"ironloop: no loop of ironloop's has run in this program; {name} has", file=sys.stderr)
