"""Line by line: what every file makes of its own `readline`."""

from __future__ import annotations

from typing import Any, AnyStr, Generic, Self


class Lines(Generic[AnyStr]):
    """A file that is read by `readline`, which answers with nothing at the end."""

    readline: Any

    async def readlines(self, hint: int | None = -1, /) -> list[AnyStr]:
        """Reads lines until the end, or until they are `hint` bytes, of a text characters."""
        lines: list[AnyStr] = []
        count = 0
        while line := await self.readline():
            lines.append(line)
            count += len(line)
            if hint is not None and 0 < hint <= count:
                break
        return lines

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnyStr:
        if line := await self.readline():
            return line  # type: ignore[no-any-return]
        raise StopAsyncIteration
