"""The tour's screen: bars that move while the loop waits, or lines where stdout is no terminal."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

REDRAW = 1 / 15  # seconds between two pictures
TITLE = 38  # width of a bar's title


@dataclass(frozen=True)
class Bar:
    progress: Progress
    task: TaskID
    title: str

    def advance(self) -> None:
        self.progress.advance(self.task)

    def done(self, result: str) -> None:
        self.progress.update(self.task, result=result)
        if self.progress.disable:
            self.progress.console.print(f"  {self.title:{TITLE}} {result}")


class Bars:
    """The bars of one chapter."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def add(self, title: str, total: int) -> Bar:
        return Bar(self._progress, self._progress.add_task(title, total=total, result=""), title)

    def remark(self, text: str) -> None:
        self._progress.console.print(f"  {text}", markup=False)


class Screen:
    def __init__(self) -> None:
        # Left to itself, rich takes FORCE_COLOR for a terminal, and draws into files. It does heed NO_COLOR.
        self.console = Console(force_terminal=sys.stdout.isatty(), highlight=False)

    @asynccontextmanager
    async def chapter(self, title: str) -> AsyncIterator[Bars]:
        """Print the title, and draw the bars that are added to the chapter for as long as it lasts."""
        self.console.print(f"\n[bold]{title}[/bold]")
        columns = [TextColumn(f"  {{task.description:{TITLE}}}"), BarColumn(20), MofNCompleteColumn()]
        columns.append(TextColumn("{task.fields[result]}"))
        live = self.console.is_terminal and not self.console.is_dumb_terminal
        with Progress(*columns, console=self.console, auto_refresh=False, disable=not live) as progress:
            drawing = asyncio.create_task(redraw(progress))
            try:
                yield Bars(progress)
            finally:
                drawing.cancel()


async def redraw(progress: Progress) -> None:
    """One more task on the same loop: the picture moves only because the others wait without blocking."""
    while True:
        progress.refresh()
        await asyncio.sleep(REDRAW)
