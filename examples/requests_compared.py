"""Six requests, four ways: one after another with `requests`, one after another with async, and at once.

The service takes 0.2 s for each answer. `await` alone makes nothing faster: what counts is to have several
waits under way at the same time.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import httpx
import requests
from narration import chapter, elapsed, say
from services.http_service import HTTPService

REQUESTS = 6
DELAY = 0.2  # seconds that the service takes for an answer

times: dict[str, float] = {}


@contextmanager
def timed(title: str) -> Iterator[None]:
    chapter(title)
    yield
    times[title] = elapsed()


def report(number: int, status: int) -> None:
    say(f"answer {number}: status {status}")


def one_by_one_blocking(urls: list[str]) -> None:
    with requests.Session() as session:
        session.trust_env = False  # loopback is not behind anyone's proxy
        with timed("one by one, requests (blocking)"):
            for number, url in enumerate(urls, 1):
                answer = session.get(url, timeout=10)
                report(number, answer.status_code)


async def with_aiohttp(urls: list[str]) -> None:
    async with aiohttp.ClientSession() as session:

        async def get(number: int, url: str) -> None:
            async with session.get(url) as answer:
                await answer.read()
                report(number, answer.status)

        with timed("one by one, aiohttp (async)"):
            for number, url in enumerate(urls, 1):
                await get(number, url)
        with timed("at once, aiohttp"):
            await asyncio.gather(*(get(number, url) for number, url in enumerate(urls, 1)))


async def with_httpx(urls: list[str]) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:

        async def get(number: int, url: str) -> None:
            answer = await client.get(url)
            report(number, answer.status_code)

        with timed("at once, httpx"):
            await asyncio.gather(*(get(number, url) for number, url in enumerate(urls, 1)))


def main() -> None:
    with HTTPService() as service:
        urls = [f"{service.url}/delay/{DELAY}"] * REQUESTS
        one_by_one_blocking(urls)
        asyncio.run(with_aiohttp(urls))
        asyncio.run(with_httpx(urls))

    chapter(f"{REQUESTS} requests of {DELAY} s each")
    for title, seconds in times.items():
        print(f"{title:32} {seconds:5.2f} s  {'#' * round(seconds * 20)}")


if __name__ == "__main__":
    main()
