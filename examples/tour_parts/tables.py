"""The tables at the end of the tour."""

from rich import box
from rich.table import Table

from tour_parts.loops import ROUNDS, Rates
from tour_parts.waiting import TIMES, WAIT, Waits


def table(title: str, *columns: str) -> Table:
    result = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    result.add_column(columns[0], min_width=25)
    for column in columns[1:]:
        result.add_column(column, justify="right", min_width=8)
    return result


def waits_table(all_waits: list[Waits]) -> Table:
    result = table(f"{TIMES} waits of {WAIT} s", "work", "one by one", "at once", "ratio")
    for waits in all_waits:
        ratio = waits.one_by_one / waits.at_once
        result.add_row(waits.work, f"{waits.one_by_one:.2f} s", f"{waits.at_once:.2f} s", f"{ratio:.1f}x")
    return result


def rates_table(all_rates: list[Rates]) -> Table:
    result = table(f"The same work on two loops (median of {ROUNDS})", "work", "asyncio", "ironloop", "ratio")
    for rates in all_rates:
        ratio = rates.ironloop / rates.asyncio
        result.add_row(rates.workload, thousands(rates.asyncio), thousands(rates.ironloop), f"{ratio:.2f}x")
    return result


def thousands(rate: float) -> str:
    return f"{rate / 1000:,.0f} k/s"
