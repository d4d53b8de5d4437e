from collections.abc import Callable
from typing import TypeVarTuple

_Ts = TypeVarTuple("_Ts")

class SignalWakeup:
    def add_signal_handler(self, sig: int, callback: Callable[[*_Ts], object], *args: *_Ts) -> None: ...
    def remove_signal_handler(self, sig: int) -> bool: ...
