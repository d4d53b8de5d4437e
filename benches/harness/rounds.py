"""Rounds: each runs every workload once on every participant, in an order that rotates."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .loops import BARE, IN_TLS_ONLY, WITHOUT_TLS
from .sampler import SampleFailed, Sampler
from .workload import Served, Timed, Workload

if TYPE_CHECKING:
    from progress import Progress

TYPICAL = 1.5
"""Seconds that a sample takes, where nobody has measured it yet."""


@dataclass(frozen=True)
class Sample:
    """`seconds` is how long it took to take, all in all."""

    round: int
    workload: str
    participant: str
    values: dict[str, float]
    seconds: float


@dataclass
class Results:
    """Every sample that was taken, and why a participant failed a workload (it is not tried again)."""

    samples: list[Sample] = field(default_factory=list)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    def values(self, workload: str, participant: str, figure: str) -> dict[int, float]:
        """The figure's value by round."""
        return {
            sample.round: sample.values[figure]
            for sample in self.samples
            if sample.workload == workload and sample.participant == participant
        }

    def seconds(self) -> dict[tuple[str, str], float]:
        """How long a sample takes, by workload and participant."""
        return {(sample.workload, sample.participant): sample.seconds for sample in self.samples}


def participants(workload: Workload, loops: Sequence[str]) -> list[str]:
    if not isinstance(workload, Served):
        bare = [BARE] if isinstance(workload, Timed) and workload.bare else []
        return [*bare, *(loop for loop in loops if loop not in IN_TLS_ONLY)]
    absent = WITHOUT_TLS if workload.load.tls else IN_TLS_ONLY
    bare = [BARE] if workload.bare else []
    return [*bare, *(loop for loop in loops if loop not in absent)]


def estimate(workloads: Sequence[Workload], loops: Sequence[str], *known: Results) -> tuple[int, float]:
    """How many samples a round takes, and how many seconds; of what is known the last counts."""
    seconds = {pair: taken for results in known for pair, taken in results.seconds().items()}
    failed = known[-1].failures if known else {}
    pairs = [
        (workload.name, participant)
        for workload in workloads
        for participant in participants(workload, loops)
        if (workload.name, participant) not in failed
    ]
    return len(pairs), sum(seconds.get(pair, TYPICAL) for pair in pairs)


def steps(workloads: Sequence[Workload], loops: Sequence[str]) -> list[str]:
    """The samples of a round, as the progress names them."""
    return [
        f"{workload.name} {participant}"
        for workload in workloads
        for participant in participants(workload, loops)
    ]


def run_round(
    number: int,
    workloads: Sequence[Workload],
    loops: Sequence[str],
    sampler: Sampler,
    results: Results,
    progress: Progress,
) -> None:
    """Add the samples of round `number` to `results`.

    Workload by workload, so that what is compared was measured within seconds.
    """
    for workload in workloads:
        order = participants(workload, loops)
        shift = number % len(order)
        for participant in order[shift:] + order[:shift]:
            key = workload.name, participant
            if key in results.failures:
                progress.skip(f"{workload.name} {participant}")
                continue
            started = time.monotonic()
            try:
                with progress.step(f"{workload.name} {participant}"):
                    values = sampler.take(workload, participant)
            except SampleFailed as failure:
                taken = time.monotonic() - started
                results.failures[key] = str(failure)
                told = f"FAILED: {failure}"
            else:
                taken = time.monotonic() - started
                results.samples.append(Sample(number, *key, values, taken))
                told = "  ".join(f"{figure} {values[figure]:.6g}" for figure in workload.figures)
            progress.print(f"  {workload.name:32} {participant:10} {taken:4.1f} s  {told}")
