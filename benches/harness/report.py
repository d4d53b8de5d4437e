"""The report: medians, ratios taken round by round, and the goals, as Markdown tables."""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .loops import BASELINE
from .rounds import Results
from .sampler import BARE
from .workload import Figure, Workload

GOALS = tomllib.loads((Path(__file__).parent.parent / "goals.toml").read_text())

SUBJECT = "ironloop"
"""The loop that the goals are for."""

UNITS = [(1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")]


@dataclass(frozen=True)
class Ratio:
    """Of two participants: the median of the rounds' ratios, and the smallest and the largest."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: dict[int, float], base: dict[int, float]) -> Ratio | None:
        """Only rounds that both took part in count; None if there is none."""
        ratios = [value / base[number] for number, value in values.items() if number in base]
        return cls(statistics.median(ratios), min(ratios), max(ratios)) if ratios else None

    def __str__(self) -> str:
        return f"{self.median:.2f}x ({self.least:.2f} to {self.most:.2f})"


def quantity(value: float, figure: Figure) -> str:
    """A value with its unit: `2.31 M/s`, `45.1 µs`."""
    factor, prefix = next((unit for unit in UNITS if value >= unit[0]), UNITS[-1])
    digits = f"{value / factor:.3g}" if value < 999.5 * factor else f"{value / factor:.0f}"
    return f"{digits} {prefix}{'/s' if figure is Figure.RATE else 's'}"


def render(workloads: Sequence[Workload], loops: Sequence[str], results: Results) -> str:
    """All tables, one for each kind of figure that was measured, and the failures below."""
    rows = [(workload, key, figure) for workload in workloads for key, figure in workload.figures.items()]
    tables = [
        ("Rates against uvloop: more is better", Figure.RATE, BASELINE),
        ("Times against uvloop: less is better", Figure.TIME, BASELINE),
        ("Server CPU time a request against the bare server: less is better", Figure.OVER_BARE, BARE),
    ]
    parts = []
    for title, kind, base in tables:
        chosen = [(workload, key) for workload, key, figure in rows if figure is kind]
        if chosen:
            parts.append(f"## {title}\n\n" + "\n".join(_table(chosen, kind, base, loops, results)))
    if results.failures:
        failed = [f"- {name} on {who}: {why}" for (name, who), why in results.failures.items()]
        parts.append("## Failures\n\n" + "\n".join(failed))
    return "\n\n".join(parts) + "\n"


def _table(
    rows: Sequence[tuple[Workload, str]], kind: Figure, base: str, loops: Sequence[str], results: Results
) -> Iterator[str]:
    # What the ratios are to stands first; without it cells are plain values.
    columns = [base] if base == BARE or base in loops else []
    columns += [loop for loop in loops if loop != base]
    yield "| workload | goal (best peers) | " + " | ".join(columns) + " |"
    yield "|---" * (len(columns) + 2) + "|"
    for workload, key in rows:
        name = workload.name if len(workload.figures) == 1 else f"{workload.name} {key}"
        goal = GOALS.get(workload.name, {}).get(key)
        cells = [_cell(workload.name, key, kind, column, base, goal, results) for column in columns]
        yield f"| {name} | {_goal(goal, kind)} | " + " | ".join(cells) + " |"


def _goal(goal: dict | None, kind: Figure) -> str:
    if not goal:
        return ""
    sign = "≥" if kind is Figure.RATE else "≤"
    peers = f" ({goal['peers']})" if "peers" in goal else ""
    return f"{sign} {goal['goal']}x{peers}"


def _cell(
    workload: str, key: str, kind: Figure, column: str, base: str, goal: dict | None, results: Results
) -> str:
    if (workload, column) in results.failures:
        return "failed"
    values = results.values(workload, column, key)
    if not values:
        return "-"
    median = quantity(statistics.median(values.values()), kind)
    ratio = Ratio.of(values, results.values(workload, base, key))
    if column == base or ratio is None:
        return median
    if column != SUBJECT or not goal:
        return str(ratio)
    met = ratio.median >= goal["goal"] if kind is Figure.RATE else ratio.median <= goal["goal"]
    return f"{ratio} {'✓' if met else '✗'}"
