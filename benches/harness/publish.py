"""Results put into the pages: tables and plots between markers, by `python benches/run.py --publish RESULTS`.

    <!-- benches: NAME -->
    …
    <!-- benches: end -->

What stands between two markers is written anew, all else stays. `PAGES` says which page has what; the rows of
README's table are in `summary.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import plots, record, report
from .loops import BASELINE, SUBJECT
from .report import Row, Table
from .rounds import Results
from .workload import REGISTRY, Figure

ROOT = Path(__file__).parent.parent.parent
PLOTS = Path("docs/plots")
SUMMARY = tomllib.loads((Path(__file__).parent.parent / "summary.toml").read_text())["row"]

_BLOCK = r"(<!-- benches: {name} -->\n).*?(<!-- benches: end -->)"


@dataclass(frozen=True)
class Published:
    """All that was measured, one or several runs of it; the last one's heading is that of all."""

    runs: list[record.Run]
    results: Results
    tables: list[Table]
    plots: list[plots.Plot]

    @classmethod
    def of(cls, files: Sequence[Path]) -> Published:
        records = [record.load(path) for path in files]
        runs = [run for run, _ in records]
        results = record.join(records)
        measured = {sample.workload for sample in results.samples}
        workloads = [workload for name, workload in REGISTRY.workloads.items() if name in measured]
        loops = list(dict.fromkeys(loop for run in runs for loop in run.loops))
        tables = list(report.tables(workloads, loops, results, runs[-1].openssl))
        return cls(runs, results, tables, list(plots.plots(tables)))

    @property
    def loops(self) -> list[str]:
        return list(dict.fromkeys(loop for run in self.runs for loop in run.loops))

    def rows(self) -> Iterator[Row]:
        """Those that ironloop took part in."""
        for table in self.tables:
            yield from (row for row in table.rows if row.spread(SUBJECT))


def heading(published: Published) -> str:
    return "\n".join(dict.fromkeys(run.heading().partition("\n")[0] for run in published.runs))


def standing(published: Published) -> str:
    """In how many rows ironloop is the first, and how many goals it reaches."""
    compared = [(row, peer) for row in published.rows() if (peer := row.best_peer(published.loops))]
    first = [row for row, (_, spread) in compared if not _is_behind(row, spread)]
    goals = [reached for row in published.rows() if (reached := row.reaches_goal()) is not None]
    return (
        f"In {len(first)} of {len(compared)} rows no other loop has a better median; "
        f"{sum(goals)} of {len(goals)} goals are reached."
    )


def behind(published: Published) -> str:
    """The rows in which another loop is ahead."""
    lines = [
        f"| {row.name} | {row.told(own.median)} | {who} {row.told(spread.median)} |"
        for row in published.rows()
        if (own := row.spread(SUBJECT)) and (peer := row.best_peer(published.loops))
        for who, spread in [peer]
        if _is_behind(row, spread)
    ]
    return _or_none([f"| row | {SUBJECT} | ahead |", "|---|---|---|", *lines])


def missed(published: Published) -> str:
    """The goals that are not reached."""
    lines = [
        f"| {row.name} | {row.told_goal()} | {row.told_of(SUBJECT).removesuffix(' ✗')} |"
        for row in published.rows()
        if row.reaches_goal() is False
    ]
    return _or_none([f"| row | goal | {SUBJECT} |", "|---|---|---|", *lines])


def pictures(published: Published) -> str:
    return "\n".join(
        f"![{plot.title}]({(PLOTS / plot.name).relative_to('docs')}.svg)" for plot in published.plots
    )


def full_tables(published: Published) -> str:
    return report.render(published.tables, published.results, level="###").rstrip()


def summary(published: Published) -> str:
    """README's table: few rows, beside the baseline and the best of the others."""
    rows = {(row.workload.name, row.key): row for row in published.rows()}
    lines = [f"| | {BASELINE} | best other | goal | {SUBJECT} |", "|---|---|---|---|---|"]
    for wanted in SUMMARY:
        row = rows.get((wanted.get("workload"), wanted.get("figure")))
        if "heading" in wanted:
            lines.append(f"| *{wanted['heading']}* | | | | |")
        elif row is not None:
            lines.append(f"| {wanted['label']} | {' | '.join(_summary_cells(row, published.loops))} |")
    return "\n".join(lines)


def draw_summary(published: Published, file: Path) -> None:
    """README's picture: the rows of its table that are rates beside the baseline's."""
    rows = {(row.workload.name, row.key): row for row in published.rows() if row.kind is Figure.RATE}
    drawn = [
        (wanted["label"], row)
        for wanted in SUMMARY
        if (row := rows.get((wanted.get("workload"), wanted.get("figure"))))
    ]
    title = f"{SUBJECT} (red) and the best of the others, in multiples of {BASELINE}'s rate: more is better"
    plots.draw_summary(drawn, published.loops, title, file)


def _summary_cells(row: Row, loops: Sequence[str]) -> list[str]:
    baseline, own = row.spread(BASELINE), row.spread(SUBJECT)
    peer = row.best_peer([loop for loop in loops if loop not in (BASELINE, "asyncio")])
    assert own is not None
    return [
        # What the others are multiples of is told as it is.
        row.told_of(BASELINE) if row.base == BASELINE else row.told(baseline.median) if baseline else "-",
        f"{row.told(peer[1].median)} ({peer[0]})" if peer else "-",
        row.told_goal().removeprefix("≥ ").removeprefix("≤ "),
        f"**{row.told(own.median)}**",
    ]


PAGES: dict[str, dict[str, Callable[[Published], str]]] = {
    "docs/performance.md": {
        "heading": heading,
        "standing": standing,
        "behind": behind,
        "missed": missed,
        "plots": pictures,
        "tables": full_tables,
    },
    "README.md": {"heading": heading, "summary": summary},
}


def publish(files: Sequence[Path], root: Path = ROOT) -> list[Path]:
    """Write the pages and the plots anew from results, and return what was written."""
    published = Published.of(files)
    for old in (root / PLOTS).glob("*.svg"):
        old.unlink()
    plots.draw(published.plots, root / PLOTS)
    draw_summary(published, root / PLOTS / "summary.svg")
    written = [root / PLOTS]
    for name, blocks in PAGES.items():
        page = root / name
        text = page.read_text()
        for block, write in blocks.items():
            content = write(published)
            text, count = re.subn(
                _BLOCK.format(name=block),
                lambda match, content=content: f"{match[1]}{content}\n{match[2]}",
                text,
                flags=re.DOTALL,
            )
            if count != 1:
                raise SystemExit(f"{name} has {count} blocks {block!r}, and should have one")
        page.write_text(text)
        written.append(page)
    return written


def _is_behind(row: Row, peer: report.Spread) -> bool:
    own = row.spread(SUBJECT)
    return own is not None and row.is_better(peer.median, own.median)


def _or_none(lines: list[str]) -> str:
    return "\n".join(lines) if len(lines) > 2 else "None."
