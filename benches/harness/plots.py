"""Plots of the tables: bars of each row by loop, as SVG.

A bar is the median, the line on it goes from the smallest to the largest. Where a table has ratios, bars
begin at 1, the base, and the axis is logarithmic: twice and half are as far from it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workloads import part_of

from .loops import BARE, BASELINE, FALLBACK, SUBJECT
from .report import Row, Table, quantity
from .workload import Figure

COLOURS = {
    SUBJECT: "#d1495b",
    BASELINE: "#6b7a8f",
    "asyncio": "#c5ccd6",
    BARE: "#222222",
    "before": "#f2b5a7",
    FALLBACK: "#e8a0ab",
    "rloop": "#e0a030",
    "blazio": "#3d8f8f",
    "rsloop": "#7fb069",
    "zloop": "#7768ae",
    "veloxloop": "#4a90c2",
    "aiofastnet": "#b87fb0",
    "rustls": "#9c6644",
}
NAMES = {
    Figure.RATE: "rates",
    Figure.TIME: "times",
    Figure.OVER_LOOP: "switches",
    Figure.OVER_BARE: "cpu",
    Figure.OVER_BARE_TLS: "cpu-with-tls",
    Figure.COST: "cost",
    Figure.MEMORY: "memory",
    Figure.CALLS: "calls",
}
ROW = 0.18
"""Inches for each bar, and for the room between two rows."""


@dataclass(frozen=True)
class Plot:
    """`part` of the suite that a table's rows are of, for a title of their own."""

    name: str
    table: Table
    part: str
    rows: list[Row]

    @property
    def title(self) -> str:
        return f"{self.part}. {self.table.title}"


def plots(tables: Sequence[Table]) -> Iterator[Plot]:
    """One for each table and part of the suite that was measured."""
    for table in tables:
        parts: dict[str, list[Row]] = {}
        for row in table.rows:
            if any(row.spread(who) for who in table.columns):
                parts.setdefault(part_of(row.workload), []).append(row)
        for part, rows in parts.items():
            first = re.split(r"\W", part)[0].lower()
            yield Plot(f"{NAMES[table.kind]}-{first}", table, part, rows)


def draw(plots: Sequence[Plot], folder: Path) -> None:
    """Write them all into the folder. Raises ImportError without matplotlib."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    folder.mkdir(parents=True, exist_ok=True)
    # The same figures give the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "ironloop", "font.size": 8})
    for plot in plots:
        columns = [who for who in plot.table.columns if any(row.spread(who) for row in plot.rows)]
        # What all are compared with is the line at 1.
        columns = [who for who in columns if who != plot.table.base] or columns
        height = ROW * (len(columns) + 1) * len(plot.rows) + 1.4
        canvas = Canvas(figsize=(8, height), layout="constrained")
        _bars(canvas.add_subplot(), plot, columns)
        canvas.savefig(folder / f"{plot.name}.svg", metadata={"Date": None})


def draw_summary(rows: Sequence[tuple[str, Row]], loops: Sequence[str], title: str, path: Path) -> None:
    """README's picture: the subject beside the best of the others. Raises ImportError as `draw`."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "ironloop", "font.size": 9})
    canvas = Canvas(figsize=(8, 2 * ROW * len(rows) + 1), layout="constrained")
    axes = canvas.add_subplot()
    axes.set_xscale("log", base=2)
    for index, (_, row) in enumerate(rows):
        peer = row.best_peer(loops)
        own = row.spread(SUBJECT)
        for shift, who, spread in ((-0.19, peer and peer[0], peer and peer[1]), (0.19, SUBJECT, own)):
            if spread is None:
                continue
            colour = COLOURS[SUBJECT] if who == SUBJECT else COLOURS["asyncio"]
            axes.barh(index + shift, spread.median - 1, left=1, height=0.36, color=colour)
            told = f" {row.told(spread.median)} " if who == SUBJECT else f" {who} "
            side = "left" if spread.median >= 1 else "right"
            style = {"fontsize": 7, "color": "#222222" if who == SUBJECT else "#777777"}
            axes.text(spread.median, index + shift, told, va="center", ha=side, **style)
    axes.axvline(1.0, color=COLOURS[BASELINE], linewidth=1)
    axes.set_yticks(range(len(rows)), [label.replace("`", "") for label, _ in rows])
    axes.invert_yaxis()
    axes.margins(x=0.08, y=0.01)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.xaxis.grid(True, color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    axes.set_title(title, fontsize=9, loc="left")
    canvas.savefig(path, metadata={"Date": None})


def _bars(axes, plot: Plot, columns: Sequence[str]) -> None:
    table, rows = plot.table, plot.rows
    axes.set_xscale("log", base=2 if table.base else 10)
    smallest = min(spread.least for row in rows for who in columns if (spread := row.spread(who)))
    begin = 1.0 if table.base else smallest / 2
    for position, who in enumerate(columns):
        places, widths, errors = [], [], ([], [])
        for index, row in enumerate(rows):
            spread = row.spread(who)
            if spread is None:
                continue
            places.append(index * (len(columns) + 1) + position)
            widths.append(spread.median - begin)
            errors[0].append(spread.median - spread.least)
            errors[1].append(spread.most - spread.median)
        style = {"linewidth": 0.6, "ecolor": "#555555"}
        axes.barh(
            places,
            widths,
            left=begin,
            height=0.9,
            xerr=errors,
            error_kw=style,
            label=who,
            color=COLOURS.get(who, "#999999"),
        )
    middle = (len(columns) - 1) / 2
    axes.set_yticks([index * (len(columns) + 1) + middle for index in range(len(rows))])
    axes.set_yticklabels([row.name for row in rows])
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.xaxis.set_major_formatter(
        lambda value, _: f"{value:g}x" if table.base else quantity(value, table.kind)
    )
    axes.xaxis.grid(True, color="#e4e4e4")
    axes.set_axisbelow(True)
    if table.base:
        axes.axvline(1.0, color=COLOURS.get(table.base, "#222222"), linewidth=1, label=f"{table.base} (1)")
    axes.set_title(textwrap.fill(plot.title, 100), fontsize=9, loc="left", x=-0.2)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.6 / axes.figure.get_figheight()), ncols=5, frameon=False
    )
