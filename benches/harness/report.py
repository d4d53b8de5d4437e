"""The report: medians, ratios taken round by round or plain values, and the goals, as Markdown tables."""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .loops import BARE, BASELINE, BEFORE, FALLBACK, RECORDED, RUSTLS, SUBJECT
from .rounds import Results
from .workload import Figure, Workload

GOALS = tomllib.loads((Path(__file__).parent.parent / "goals.toml").read_text())

UNITS = [(1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")]

NO_LOOPS = (BARE, RUSTLS)
"""Participants that are there to compare with, not to be compared."""


@dataclass(frozen=True)
class Spread:
    """The median over the rounds, and the smallest and the largest."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Collection[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def quantity(value: float, figure: Figure) -> str:
    """A value with its unit: `2.31 M/s`, `45.1 µs`, `1,441 B`."""
    if figure is Figure.MEMORY:
        return f"{value:,.0f} B"
    if figure is Figure.CALLS:
        return f"{value:.1f}"
    factor, prefix = next((unit for unit in UNITS if value >= unit[0]), UNITS[-1])
    digits = f"{value / factor:.3g}" if value < 999.5 * factor else f"{value / factor:.0f}"
    return f"{digits} {prefix}{'/s' if figure is Figure.RATE else 's'}"


@dataclass(frozen=True)
class Row:
    """One figure of one workload. `base` is whom others are compared with; without one values are plain."""

    workload: Workload
    key: str
    kind: Figure
    base: str | None
    results: Results

    @property
    def name(self) -> str:
        return self.workload.name if len(self.workload.figures) == 1 else f"{self.workload.name} {self.key}"

    @property
    def goal(self) -> dict | None:
        """None where one asks what a change has done: goals are not for that."""
        return None if self.base == BEFORE else GOALS.get(self.workload.name, {}).get(self.key)

    def values(self, who: str) -> dict[int, float]:
        return self.results.values(self.workload.name, who, self.key)

    def has_failed(self, who: str) -> bool:
        return (self.workload.name, who) in self.results.failures

    def takes_part(self, who: str) -> bool:
        return self.has_failed(who) or bool(self.values(who))

    def spread(self, who: str) -> Spread | None:
        """Of the ratios to the base, in the rounds that both took part in; without a base of the values."""
        values = self.values(who)
        if self.base is not None:
            bases = self.values(self.base)
            values = {number: value / bases[number] for number, value in values.items() if number in bases}
        return Spread.of(values.values()) if values else None

    def is_better(self, one: float, other: float) -> bool:
        return one > other if self.kind is Figure.RATE else one < other

    def reaches_goal(self, who: str = SUBJECT) -> bool | None:
        """None if it has no goal, or was not measured. The fallback has goals of its own."""
        spread = self.spread(who)
        goal = (self.goal or {}).get({SUBJECT: "goal", FALLBACK: "fallback"}.get(who))
        if spread is None or goal is None:
            return None
        # Calls are counted to a tenth, as they are told.
        own = round(spread.median, 1) if self.kind is Figure.CALLS else spread.median
        return not self.is_better(goal, own)

    def best_peer(self, loops: Sequence[str]) -> tuple[str, Spread] | None:
        """The best loop but the subject."""
        peers = [who for who in loops if who not in (SUBJECT, FALLBACK, RECORDED, BEFORE, *NO_LOOPS)]
        measured = [(who, spread) for who in peers if (spread := self.spread(who))]
        if not measured:
            return None
        best = max if self.kind is Figure.RATE else min
        return best(measured, key=lambda peer: peer[1].median)

    def told(self, value: float) -> str:
        """A median or an end of a range, as it stands in a table."""
        return f"{value:.2f}x" if self.base else quantity(value, self.kind)

    def told_goal(self) -> str:
        if self.goal is None:
            return ""
        sign = "≥" if self.kind is Figure.RATE else "≤"
        wanted = f"{self.goal['goal']}x" if self.base else quantity(self.goal["goal"], self.kind)
        return f"{sign} {wanted}"

    def told_of(self, who: str) -> str:
        """The cell of a participant; of the base what the others are multiples of."""
        if self.has_failed(who):
            return "failed"
        values = self.values(who)
        spread = self.spread(who)
        if not values:
            return "-"
        if spread is None or (self.base and who == self.base):
            return quantity(statistics.median(values.values()), self.kind)
        ends = f"{spread.least:.2f} to {spread.most:.2f}"
        if not self.base:
            ends = f"{self.told(spread.least)} to {self.told(spread.most)}"
        mark = {None: "", True: " ✓", False: " ✗"}[self.reaches_goal(who)]
        return f"{self.told(spread.median)} ({ends}){mark}"


@dataclass(frozen=True)
class Table:
    """The rows of one kind of figure, and who stands in its columns, the base first."""

    title: str
    kind: Figure
    base: str | None
    columns: list[str]
    rows: list[Row]

    def lines(self) -> Iterator[str]:
        yield "| workload | goal (best peers) | " + " | ".join(self.columns) + " |"
        yield "|---" * (len(self.columns) + 2) + "|"
        for row in self.rows:
            peers = f" ({row.goal['peers']})" if row.goal and "peers" in row.goal else ""
            peers += f"; {FALLBACK} {row.goal['fallback']}x" if row.goal and "fallback" in row.goal else ""
            cells = [row.told_of(column) for column in self.columns]
            yield f"| {row.name} | {row.told_goal()}{peers} | " + " | ".join(cells) + " |"


def tables(
    workloads: Sequence[Workload], loops: Sequence[str], results: Results, openssl: str
) -> Iterator[Table]:
    """One for each kind of figure that was measured."""
    # Who asks what a change has done compares with what was before.
    base = BEFORE if BEFORE in loops else BASELINE
    with_tls = f"The same with TLS, against the bare server on the same libssl, {openssl}: less is better"
    kinds = [
        (f"Rates against {base}: more is better", Figure.RATE, base),
        (f"Times against {base}: less is better", Figure.TIME, base),
        ("From one coroutine to the next, against a bare loop in C: less is better", Figure.OVER_LOOP, BARE),
        ("Server CPU time a request against the bare server: less is better", Figure.OVER_BARE, BARE),
        (with_tls, Figure.OVER_BARE_TLS, BARE),
        ("Cost of one among many, no ratios: best if it stays flat", Figure.COST, None),
        ("Memory, no ratios: less is better", Figure.MEMORY, None),
        ("System calls of the server, no ratios: less is better", Figure.CALLS, None),
    ]
    for title, kind, base in kinds:
        rows = [
            Row(workload, key, kind, base, results)
            for workload in workloads
            for key, figure in workload.figures.items()
            if figure is kind
        ]
        first = [base] if base and (base == BARE or base in loops) else []
        others = loops if base else [BARE, *loops]
        columns = first + [who for who in others if who != base and any(row.takes_part(who) for row in rows)]
        if rows:
            yield Table(title, kind, base, columns, rows)


def render(tables: Sequence[Table], results: Results, level: str = "##") -> str:
    """All tables, and the failures below."""
    parts = [f"{level} {table.title}\n\n" + "\n".join(table.lines()) for table in tables]
    if results.failures:
        failed = [f"- {name} on {who}: {why}" for (name, who), why in results.failures.items()]
        parts.append(f"{level} Failures\n\n" + "\n".join(failed))
    return "\n\n".join(parts) + "\n"
