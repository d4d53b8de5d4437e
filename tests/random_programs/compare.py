"""The first difference between two runs of one program."""

from __future__ import annotations

from itertools import zip_longest

from random_programs.program import Program
from random_programs.sides import Outcome, Side, on_asyncio, on_ironloop

# Events before the difference that are shown.
_BEFORE = 6


def difference(program: Program, left: Side = on_asyncio, right: Side = on_ironloop) -> str | None:
    """In words; None if the two runs are the same."""
    one, other = left(program), right(program)
    for number, (mine, theirs) in enumerate(zip_longest(one.log, other.log)):
        if mine != theirs:
            before = [f"  {event}" for event in one.log[max(0, number - _BEFORE) : number]]
            return "\n".join([f"event {number}:", *before, f"- {mine}", f"+ {theirs}"])
    return _rest(one, other)


def _rest(one: Outcome, other: Outcome) -> str | None:
    if one.ending != other.ending:
        return f"how it ended:\n- {one.ending}\n+ {other.ending}"
    if one.reports != other.reports:
        return f"reports:\n- {one.reports - other.reports}\n+ {other.reports - one.reports}"
    return None
