"""System calls that a server makes for a connection: accept, one request, close."""

from __future__ import annotations

from harness.tls import server_context
from harness.workload import Figure, Load, served

from .echo import Announce, Echo, serve

# Ten at once share the waits, as in `reconnect/protocol`.
PLAIN = Load(1_000, 10, mode="reconnect")
TLS = Load(300, 10, mode="reconnect", tls=True)

CALLS = {"calls": Figure.CALLS}


@served("calls/reconnect", [PLAIN], CALLS, traced=True)
async def reconnect(load: Load, announce: Announce) -> None:
    await serve(Echo, announce)


@served("calls/tls-reconnect", [TLS], CALLS, traced=True)
async def tls_reconnect(load: Load, announce: Announce) -> None:
    await serve(Echo, announce, server_context())
