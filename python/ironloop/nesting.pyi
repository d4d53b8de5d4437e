from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

from ironloop.loop import Loop

_T = TypeVar("_T")

class Nesting:
    def run_until_complete(self, future: Generator[Any, None, _T] | Awaitable[_T]) -> _T: ...

class NestedLoop(Nesting, Loop): ...

def nest(loop: Loop) -> None: ...
def load_ipython_extension(shell: Any) -> None: ...
