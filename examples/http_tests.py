"""A test run against an HTTP service, with httpx: first check by check, then all checks at once.

Each check asks for one thing and compares the status with the one it expects; a 404 can be just what is
wanted. The program exits with 1 if any check fails.
"""

import asyncio
import sys
from dataclasses import dataclass
from typing import Any

import httpx
from narration import chapter, elapsed, say
from services.http_service import HTTPService


@dataclass(frozen=True)
class Check:
    method: str
    path: str
    expected: int
    body: Any = None

    async def passes(self, client: httpx.AsyncClient) -> bool:
        """Run the check and print its outcome; a service that cannot be reached fails it too."""
        try:
            answer = await client.request(self.method, self.path, json=self.body)
        except httpx.RequestError as error:
            return self.report(False, repr(error))
        return self.report(answer.status_code == self.expected, f"status {answer.status_code}")

    def report(self, passed: bool, outcome: str) -> bool:
        wanted = "" if passed else f", expected {self.expected}"
        say(f"{'pass' if passed else 'FAIL'}  {self.method:4} {self.path:11} {outcome}{wanted}")
        return passed


CHECKS = [
    Check("GET", "/health", expected=200),
    Check("GET", "/users", expected=200),
    Check("GET", "/users/2", expected=200),
    Check("GET", "/users/99", expected=404),
    Check("POST", "/users", expected=201, body={"name": "Zoe"}),
    Check("POST", "/users", expected=400, body={}),
    Check("GET", "/delay/0.3", expected=200),
    Check("GET", "/delay/0.2", expected=200),
    Check("GET", "/delay/0.1", expected=200),
]


async def check_by_check(client: httpx.AsyncClient) -> list[bool]:
    return [await check.passes(client) for check in CHECKS]


async def all_at_once(client: httpx.AsyncClient) -> list[bool]:
    return await asyncio.gather(*(check.passes(client) for check in CHECKS))


async def test_run(url: str) -> bool:
    """Both runs against the service at `url`; True if every check passed."""
    # `async with` closes the client's connections, whatever happens in between.
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=5) as client:
        passed: list[bool] = []
        for title, run in (("Check by check", check_by_check), ("All at once", all_at_once)):
            chapter(title)
            passed += await run(client)
            print(f"finished in {elapsed():.2f} s")
    print(f"\n{sum(passed)} of {len(passed)} checks passed")
    return all(passed)


if __name__ == "__main__":
    with HTTPService() as service:
        succeeded = asyncio.run(test_run(service.url))
    sys.exit(0 if succeeded else 1)
