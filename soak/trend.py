"""Whether an amount grows or only wavers."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass

WINDOWS = 5
# What an amount may grow by: this share, or so many bytes or blocks, whichever is more.
SHARE = 0.03
FLOORS = {
    "memory: resident": 3 * 1024 * 1024,
    "memory: native heap": 512 * 1024,
    "memory: Python's blocks": 3000,
}


@dataclass(frozen=True)
class Trend:
    """The medians of equal windows of time, so that no single sample decides."""

    medians: list[float]
    allowance: float

    @classmethod
    def of(cls, name: str, samples: list[int]) -> Trend:
        """`samples`: in the order of time, five at least, without the warm-up."""
        bounds = [len(samples) * window // WINDOWS for window in range(WINDOWS + 1)]
        windows = [samples[start:end] for start, end in itertools.pairwise(bounds)]
        medians = [statistics.median(window) for window in windows]
        return cls(medians, max(FLOORS[name], SHARE * medians[0]))

    @property
    def growth(self) -> float:
        return self.medians[-1] - self.medians[0]

    @property
    def leaks(self) -> bool:
        """More than noise, and still growing.

        Half of a steady growth lies after the middle window; a heap that finds its shape, or a cache that
        fills, has grown before.
        """
        late = self.medians[-1] - self.medians[WINDOWS // 2]
        return self.growth > self.allowance and late > self.growth / 4
