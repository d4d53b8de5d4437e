"""A run in one word: which order, and what chance has decided."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ironloop.simulator.world import _Order


def write(order: _Order, choices: list[int]) -> str:
    """The word. The zeros at the end go without saying."""
    count = len(choices)
    while count and choices[count - 1] == 0:
        count -= 1
    packed = zlib.compress(b"".join(map(_written, choices[:count])), 9) if count else b""
    return f"{order}-{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def read(word: str) -> tuple[_Order, list[int]]:
    """What `write` has written.

    Raises:
        ValueError: it has not.
    """
    order, _, packed = word.partition("-")
    if order not in ("asyncio", "tasks"):
        raise ValueError(f"not a replay of a simulation: {word!r}")
    try:
        raw = base64.b64decode(packed + "=" * (-len(packed) % 4), b"-_", validate=True)
        return order, _numbers(zlib.decompress(raw) if raw else b"")  # type: ignore[return-value]
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"not a replay of a simulation: {word!r}") from error


def _written(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _numbers(raw: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number & 0xFFFFFFFF)
            number, shift = 0, 0
    return numbers
