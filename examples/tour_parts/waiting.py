"""The first half of the tour: the same waits one by one and at once."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter

import aiohttp
import asyncpg
import httpcore  # noqa: F401 (httpx would import it in the midst of the tour, and block the loop)
import httpx
from services.database import PostgreSQL, at_hand
from services.http_service import HTTPService

from tour_parts.screen import Bars

TIMES = 10
WAIT = 0.1  # seconds

Job = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Waits:
    """What TIMES waits took, in seconds."""

    work: str
    one_by_one: float
    at_once: float


async def compare_waits(bars: Bars, services: ExitStack) -> list[Waits]:
    """Compare sleeps, HTTP requests and queries; `services` gets to stop the servers."""
    # Both start in threads while the sleeps are measured.
    http = asyncio.create_task(asyncio.to_thread(services.enter_context, HTTPService()))
    database = asyncio.create_task(asyncio.to_thread(start_database, services))

    waits = [await compare("sleeps", lambda: asyncio.sleep(WAIT), bars)]
    url = f"{(await http).url}/delay/{WAIT}"
    waits.append(await with_aiohttp(url, bars))
    waits.append(await with_httpx(url, bars))
    try:
        server = await database
    except RuntimeError as error:
        bars.remark(f"Database queries are left out: {error}")
    else:
        waits.append(await with_a_pool(server.dsn, bars))
    return waits


def start_database(services: ExitStack) -> PostgreSQL:
    if not at_hand():  # to install it would take longer than the tour
        raise RuntimeError("PostgreSQL is not installed")
    return services.enter_context(PostgreSQL())


async def with_aiohttp(url: str, bars: Bars) -> Waits:
    async with aiohttp.ClientSession(raise_for_status=True) as session:

        async def request() -> None:
            async with session.get(url) as answer:
                await answer.read()

        return await compare("HTTP requests, aiohttp", request, bars)


async def with_httpx(url: str, bars: Bars) -> Waits:
    async with httpx.AsyncClient(trust_env=False) as client:

        async def request() -> None:
            (await client.get(url)).raise_for_status()

        return await compare("HTTP requests, httpx", request, bars)


async def with_a_pool(dsn: str, bars: Bars) -> Waits:
    async with asyncpg.create_pool(dsn, min_size=TIMES, max_size=TIMES) as pool:

        def query() -> Awaitable[str]:
            return pool.execute("SELECT pg_sleep($1)", WAIT)

        return await compare("database queries, asyncpg", query, bars)


async def compare(work: str, job: Job, bars: Bars) -> Waits:
    bar = bars.add(f"{work}, one by one", TIMES)

    async def counted_job() -> None:
        await job()
        bar.advance()

    began = perf_counter()
    for _ in range(TIMES):
        await counted_job()
    one_by_one = perf_counter() - began
    bar.done(f"{one_by_one:.2f} s")

    bar = bars.add(f"{work}, at once", TIMES)
    began = perf_counter()
    await asyncio.gather(*(counted_job() for _ in range(TIMES)))
    at_once = perf_counter() - began
    bar.done(f"{at_once:.2f} s")
    return Waits(work, one_by_one, at_once)
