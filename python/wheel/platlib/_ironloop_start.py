"""What `IRONLOOP=1` does as Python starts: once the program has imported asyncio, ironloop takes over.

`ironloop.pth`, beside this file where it is installed, calls `begin`. It is no part of the package, whose
import brings asyncio: a program that never asks for asyncio pays for one more finder, and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class AfterImport:
    """Calls a function once one of some modules has been imported, whichever comes first."""

    def __init__(self, names: tuple[str, ...], then: Callable[[], object]) -> None:
        self._names, self._then = names, then
        self._looks = False
        sys.meta_path.insert(0, self)

    # The import system asks each finder, with the import lock of that name.
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        # A tool's finder may ask all the others in its turn.
        if name not in self._names or self._looks:
            return None
        self._looks = True
        try:
            spec = self._find(name, path, target)
        finally:
            self._looks = False
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader.exec_module = self._watched(spec.loader)
        return spec

    def _find(self, name: str, path: Any, target: Any) -> Any:
        for finder in list(sys.meta_path):
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None:
                return spec
        return None

    def _watched(self, loader: Any) -> Callable[[Any], None]:
        def exec_module(module: Any) -> None:
            # The loader's own again: it stays with the module.
            del loader.exec_module
            self.end()
            loader.exec_module(module)
            self._then()

        return exec_module

    def end(self) -> None:
        """Watches no more."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)


_began = False


def begin() -> None:
    """ironloop takes over the program as soon as asyncio is there."""
    global _began
    if _began:
        return
    _began = True
    if "asyncio" in sys.modules:
        _take_over()
    else:
        # ironloop's own import brings asyncio in the midst of it.
        AfterImport(("asyncio", "ironloop"), _take_over)


def _take_over() -> None:
    try:
        from ironloop.takeover import take_over
    except ImportError as error:
        # A sub-interpreter, say: the program itself can go on.
        print(f"ironloop: IRONLOOP is set, and ironloop cannot be imported: {error}", file=sys.stderr)
    else:
        take_over()
