"""`asyncio.subprocess.Process`: what a `communicate` that was cancelled has done is not lost."""

from __future__ import annotations

from asyncio import subprocess
from typing import Any

from ironloop.stand_in import StandIn

# How much of a child's output is taken at once.
_CHUNK = 64 * 1024


class Process(subprocess.Process, metaclass=StandIn):
    """A child process, made by `asyncio.create_subprocess_exec` and `…_shell`.

    Counterpart: `asyncio.subprocess.Process`.

    A `communicate` that was cancelled loses nothing: the next one returns what it had read as well. It takes
    no input any more, as that is on its way.
    """

    __module__ = "ironloop"
    _stands_for = subprocess.Process

    def __init__(self, transport: Any, protocol: Any, loop: Any) -> None:
        super().__init__(transport, protocol, loop)
        # What a `communicate` that has not returned has done.
        self._input_begun = False
        self._output: dict[int, list[bytes]] = {}

    async def communicate(self, input: Any = None) -> tuple[Any, Any]:
        """Sends input, reads all output and errors, and waits for the end.

        Returns what came on stdout and stderr, of each that is a pipe, else None. Counterpart:
        `asyncio.subprocess.Process.communicate`.

        Args:
            input: bytes for its stdin, which is then closed; None: only closed.

        Raises:
            ValueError: input follows on a `communicate` that was cancelled.
        """
        if self._input_begun:
            if input:
                raise ValueError("Cannot send input after starting communication")
            # Python 3.11 closes the pipe only after some input.
            input = b""
        outcome = await super().communicate(input)
        self._input_begun = False
        self._output.clear()
        return outcome

    async def _feed_stdin(self, input: Any) -> None:
        self._input_begun = True
        await super()._feed_stdin(input)  # type: ignore[misc]

    async def _read_stream(self, fd: int) -> bytes:
        reader: Any = self.stdout if fd == 1 else self.stderr
        output = self._output.setdefault(fd, [])
        # One at a time: a read that is cancelled has taken nothing yet.
        while chunk := await reader.read(_CHUNK):
            output.append(chunk)
        await super()._read_stream(fd)  # type: ignore[misc]
        return b"".join(output)
