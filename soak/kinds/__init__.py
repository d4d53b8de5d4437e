"""One module per kind of transport or service: each has a `cycle(chance)` that leaves nothing behind."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from kinds import (
    buffered,
    loops,
    pipes,
    processes,
    scheduling,
    signals,
    sockets,
    streams,
    tcp,
    threads,
    tls,
    udp,
    unix,
)

Cycle = Callable[[random.Random], Awaitable[None]]

KINDS: dict[str, Cycle] = {
    "tcp": tcp.cycle,
    "buffered": buffered.cycle,
    "streams": streams.cycle,
    "tls": tls.cycle,
    "unix": unix.cycle,
    "udp": udp.cycle,
    "pipes": pipes.cycle,
    "processes": processes.cycle,
    "sockets": sockets.cycle,
    "signals": signals.cycle,
    "threads": threads.cycle,
    "scheduling": scheduling.cycle,
    "loops": loops.cycle,
}
