"""asyncpg: short queries to a PostgreSQL of this process's own."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.processors import CLIENT, pin
from harness.workload import Figure, Stopwatch, measured

sys.path.append(str(Path(__file__).parent.parent.parent / "tools"))


@measured("asyncpg/select", {"rate": Figure.RATE, "cpu": Figure.TIME}, count=20_000)
async def select(count: int) -> dict[str, float]:
    """One connection, one query after another.

    Both ends take turns anyway, so they share a processor: waking another one would cost more than the query,
    and differ from run to run.
    """
    import asyncpg
    from postgres import PostgreSQL

    watch = Stopwatch()
    pin(0, CLIENT)
    with PostgreSQL() as server:
        connection = await asyncpg.connect(server.dsn)
        for _ in range(count // 10):
            await connection.fetchval("SELECT 1")
        with watch:
            for _ in range(count):
                await connection.fetchval("SELECT 1")
        await connection.close()
    return {"rate": count / watch.seconds, "cpu": watch.cpu / count}
