"""What lies between two hosts: how long bytes travel, what is lost, and who cannot reach whom."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ironloop._ironloop import World
    from ironloop.simulator.network.hosts import Host

# In how many steps a latency is chosen; chance is asked for one of a thousand where something may be lost.
_STEPS = 16
_THOUSAND = 1000

# What TCP waits before it sends again: at first, and how often twice as long, in seconds.
_FIRST_RETRY = 0.2
_MOST_RETRIES = 15


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """How one host reaches another. Times in seconds, probabilities from 0 to 1."""

    latency: tuple[float, float] = (0.0005, 0.005)
    # Of a segment of TCP, which is sent again; of a datagram, which is gone.
    loss: float = 0.0
    # Of a datagram.
    duplicate: float = 0.0
    # Bytes in a second; None: as many as one likes.
    bandwidth: float | None = None


# Between the sockets of one host.
LOOPBACK = Link(latency=(0.00002, 0.0002))


class Links:
    """By the two hosts: the link, and whether it is cut."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._links: dict[tuple[str | None, str | None], Link] = {(None, None): Link()}
        self._cuts: set[tuple[str, str]] = set()
        # What `between` has answered since the last change.
        self._known: dict[tuple[Host, Host], Link] = {}

    def change(self, source: str | None, target: str | None, changes: dict[str, object]) -> None:
        before = self._links.get((source, target)) or self._default(source, target)
        self._known.clear()
        self._links[source, target] = dataclasses.replace(before, **changes)  # type: ignore[arg-type]

    def _default(self, source: str | None, target: str | None) -> Link:
        for known in ((source, None), (None, target)):
            if (link := self._links.get(known)) is not None:
                return link
        return self._links[None, None]

    def between(self, source: Host, target: Host) -> Link:
        known = self._known.get((source, target))
        if known is None:
            known = self._known[source, target] = self._found(source, target)
        return known

    def _found(self, source: Host, target: Host) -> Link:
        if source is target:
            return self._links.get((source.name, source.name), LOOPBACK)
        return self._links.get((source.name, target.name)) or self._default(source.name, target.name)

    def cut(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._cuts.update(pairs)

    def mend(self, pairs: Iterable[tuple[str, str]] | None) -> None:
        self._cuts = set() if pairs is None else self._cuts.difference(pairs)

    def reaches(self, source: Host, target: Host) -> bool:
        """Whether what `source` sends arrives now."""
        is_cut = self._cuts and (source.name, target.name) in self._cuts
        return source.is_up and target.is_up and not is_cut

    # Chance

    def latency(self, source: Host, target: Host, size: int = 0) -> float:
        """How long so many bytes travel."""
        link = self.between(source, target)
        least, most = link.latency
        latency = least
        if most > least:
            latency += (most - least) * self._world.choose(_STEPS) / (_STEPS - 1)
        return latency + size / link.bandwidth if link.bandwidth else latency

    def happens(self, probability: float) -> bool:
        """0, that nothing of it happens, is what happens where nobody interferes."""
        if not probability:
            return False
        return self._world.choose(_THOUSAND) >= _THOUSAND * (1 - probability)

    def retries(self, source: Host, target: Host) -> float:
        """What is lost of a segment of TCP is sent again: how much later it comes."""
        loss, late, wait = self.between(source, target).loss, 0.0, _FIRST_RETRY
        if not loss:
            return late
        for _ in range(_MOST_RETRIES):
            if not self.happens(loss):
                break
            late, wait = late + wait, 2 * wait
        return late
