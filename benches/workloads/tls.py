"""TLS echo servers: protocol and streams, connections made and closed, and what an idle one takes."""

from __future__ import annotations

from harness.tls import server_context
from harness.workload import Figure, Load, served

from .echo import Announce, Echo, serve, serve_streams

LOADS = [Load(20_000, 10, tls=True), Load(4_000, 10, 64 * 1024, tls=True)]
RECONNECT = Load(1_000, 10, mode="reconnect", tls=True)
# One after another: several at once would use again what each other's handshakes leave in the heap.
IDLE = Load(500, 1, mode="idle", tls=True)

CPU = {"cpu": Figure.OVER_BARE_TLS}


@served("tls/protocol/{load}", LOADS, CPU)
async def protocol(load: Load, announce: Announce) -> None:
    await serve(Echo, announce, server_context())


@served("tls/streams/{load}", LOADS, CPU)
async def streams(load: Load, announce: Announce) -> None:
    await serve_streams(load.size, announce, server_context())


@served("tls/reconnect/{load}", [RECONNECT], CPU)
async def reconnect(load: Load, announce: Announce) -> None:
    """Accept, a whole handshake, one request, close."""
    await serve(Echo, announce, server_context())


@served("memory/tls-connection", [IDLE], {"bytes": Figure.MEMORY})
async def idle(load: Load, announce: Announce) -> None:
    """Resident memory for each connection that has made one request, and stays."""
    await serve(Echo, announce, server_context())
