"""A page that one can open: what a run has measured, its plots and tables, as HTML beside the plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from .loops import SUBJECT
from .plots import Plot
from .report import Table
from .rounds import Results

STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #2a7d3f; --bad: #b3372f; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { font-weight: 500; }
p.with { color: #888; }
nav a { margin-right: 1rem; }
img { background: #fff; max-width: 100%; border-radius: 4px; margin: .5rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .8rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
.subject { font-weight: 600; }
.good { color: var(--good); }
.bad { color: var(--bad); }
@media (prefers-color-scheme: dark) { :root { --good: #6cc784; --bad: #ef7d74; } }
"""


def write(
    folder: Path, heading: str, tables: Sequence[Table], plots: Sequence[Plot], results: Results
) -> Path:
    """`index.html` in the folder where the plots are drawn, if they are."""
    page = folder / "index.html"
    folder.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(_lines(folder, heading, tables, plots, results)) + "\n", encoding="utf-8")
    return page


def _lines(
    folder: Path, heading: str, tables: Sequence[Table], plots: Sequence[Plot], results: Results
) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width"><title>ironloop: benchmarks</title>'
    yield f"<style>{STYLE}</style><h1>Benchmarks</h1>"
    yield from (f'<p class="with">{escape(line)}</p>' for line in heading.splitlines() if line)
    yield "<nav>"
    yield from (f'<a href="#{number}">{escape(table.title)}</a>' for number, table in enumerate(tables))
    yield "</nav>"
    for number, table in enumerate(tables):
        yield f'<h2 id="{number}">{escape(table.title)}</h2>'
        for plot in plots:
            drawn = folder / f"{plot.name}.svg"
            if plot.table is table and drawn.exists():
                yield f'<p><img src="{drawn.name}" alt="{escape(plot.title)}"></p>'
        yield from _table(table)
    if results.failures:
        yield "<h2>Failures</h2><ul>"
        for (name, who), why in results.failures.items():
            yield f"<li>{escape(f'{name} on {who}: {why}')}</li>"
        yield "</ul>"


def _table(table: Table) -> Iterator[str]:
    yield '<div class="wide"><table><tr>'
    yield from (f"<th>{escape(name)}</th>" for name in ("workload", "goal", *table.columns))
    yield "</tr>"
    for row in table.rows:
        yield f"<tr><td>{escape(row.name)}</td><td>{escape(row.told_goal())}</td>"
        for column in table.columns:
            reached = row.reaches_goal(column)
            verdict = {None: "", True: " good", False: " bad"}[reached]
            subject = "subject" if column == SUBJECT else ""
            yield f'<td class="{subject}{verdict}">{escape(row.told_of(column))}</td>'
        yield "</tr>"
    yield "</table></div>"
