"""The report: medians, ratios taken round by round or plain values, and the goals, as Markdown tables."""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .loops import BARE, BASELINE, BEFORE, SUBJECT
from .rounds import Results
from .tls import OPENSSL
from .workload import Figure, Workload

GOALS = tomllib.loads((Path(__file__).parent.parent / "goals.toml").read_text())

UNITS = [(1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")]


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


def render(workloads: Sequence[Workload], loops: Sequence[str], results: Results) -> str:
    """All tables, one for each kind of figure that was measured, and the failures below."""
    rows = [(workload, key, figure) for workload in workloads for key, figure in workload.figures.items()]
    # Who asks what a change has done compares with what was before.
    base = BEFORE if BEFORE in loops else BASELINE
    tables = [
        (f"Rates against {base}: more is better", Figure.RATE, base),
        (f"Times against {base}: less is better", Figure.TIME, base),
        ("From one coroutine to the next, against a bare loop in C: less is better", Figure.OVER_LOOP, BARE),
        ("Server CPU time a request against the bare server: less is better", Figure.OVER_BARE, BARE),
        (
            f"The same with TLS, against the bare server on the same libssl, {OPENSSL}: less is better",
            Figure.OVER_BARE_TLS,
            BARE,
        ),
        ("Cost of one among many, no ratios: best if it stays flat", Figure.COST, None),
        ("Memory, no ratios: less is better", Figure.MEMORY, None),
        ("System calls of the server, no ratios: less is better", Figure.CALLS, None),
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
    rows: Sequence[tuple[Workload, str]],
    kind: Figure,
    base: str | None,
    loops: Sequence[str],
    results: Results,
) -> Iterator[str]:
    # What the ratios are to stands first; without it cells are plain values.
    columns = [base] if base and (base == BARE or base in loops) else []
    everybody = loops if base else [BARE, *loops]
    columns += [who for who in everybody if who != base and _takes_part(who, rows, results)]
    yield "| workload | goal (best peers) | " + " | ".join(columns) + " |"
    yield "|---" * (len(columns) + 2) + "|"
    for workload, key in rows:
        name = workload.name if len(workload.figures) == 1 else f"{workload.name} {key}"
        goal = GOALS.get(workload.name, {}).get(key) if base != BEFORE else None
        cells = [_cell(workload.name, key, kind, column, base, goal, results) for column in columns]
        yield f"| {name} | {_goal(goal, kind, base)} | " + " | ".join(cells) + " |"


def _takes_part(who: str, rows: Sequence[tuple[Workload, str]], results: Results) -> bool:
    return any(
        (workload.name, who) in results.failures or results.values(workload.name, who, key)
        for workload, key in rows
    )


def _goal(goal: dict | None, kind: Figure, base: str | None) -> str:
    if not goal:
        return ""
    sign = "≥" if kind is Figure.RATE else "≤"
    wanted = f"{goal['goal']}x" if base else quantity(goal["goal"], kind)
    peers = f" ({goal['peers']})" if "peers" in goal else ""
    return f"{sign} {wanted}{peers}"


def _cell(
    workload: str,
    key: str,
    kind: Figure,
    column: str,
    base: str | None,
    goal: dict | None,
    results: Results,
) -> str:
    if (workload, column) in results.failures:
        return "failed"
    values = results.values(workload, column, key)
    if not values:
        return "-"
    if base is None:
        spread = Spread.of(values.values())
        median, least, most = (quantity(value, kind) for value in (spread.median, spread.least, spread.most))
        cell = f"{median} ({least} to {most})"
    else:
        bases = results.values(workload, base, key)
        # Only rounds that both took part in count.
        ratios = [value / bases[number] for number, value in values.items() if number in bases]
        if column == base or not ratios:
            return quantity(statistics.median(values.values()), kind)
        spread = Spread.of(ratios)
        cell = f"{spread.median:.2f}x ({spread.least:.2f} to {spread.most:.2f})"
    if column != SUBJECT or not goal:
        return cell
    met = spread.median >= goal["goal"] if kind is Figure.RATE else spread.median <= goal["goal"]
    return f"{cell} {'✓' if met else '✗'}"
