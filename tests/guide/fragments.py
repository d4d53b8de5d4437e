"""What the guide's fragments leave out: the names they use, and somebody who awaits what they define.

A fragment that is not listed here, and not in ``WHOLE``, fails the test.
"""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

# These run as they are.
WHOLE = frozenset(
    {
        "Traditional Synchronous Execution",
        "Basic Async Function",
        "How the Event Loop Works - Step by Step",
        "Event Loop States - Visual Representation",
        "Event Loop Lifecycle - Under the Hood",
        "Event Loop Inspection - Advanced Understanding",
        "Event Loop Control - Practical Examples",
        "Real-World Event Loop Patterns",
        "Regular Functions",
        "HTTP Requests (Your Test Case)",
        "Database Operations",
        "Performance Metrics",
    }
)

Namespace = dict[str, Any]

AT_ONCE = 60.0  # seconds that five may become on a slow machine


async def nothing(namespace: Namespace) -> None:
    """For a fragment that runs by itself, once it has its names."""


@dataclass(frozen=True)
class Fragment:
    """``modules`` are imported and ``names`` supplied before it runs; ``drive`` awaits what it defined."""

    modules: tuple[str, ...] = ()
    names: Namespace = field(default_factory=dict)
    drive: Callable[[Namespace], Awaitable[None]] = nothing


served: list[str] = []


async def order(customer: int) -> None:
    await asyncio.sleep(0.01)
    served.append(f"async {customer}")


async def drive_restaurants(namespace: Namespace) -> None:
    namespace["synchronous_restaurant"]()
    await namespace["async_restaurant"]()
    assert served == ["sync 1", "sync 2", "sync 3", "async 1", "async 2", "async 3"]


async def drive_coroutine_objects(namespace: Namespace) -> None:
    assert namespace["result"] == "Hello"
    assert await asyncio.gather(namespace["caller"](), namespace["with_task"]()) == ["Hello", "Hello"]


fetching: list[str] = []


async def fetch_data(url: str) -> str:
    fetching.append(f"begin {url}")
    await asyncio.sleep(0.1)
    fetching.append(f"end {url}")
    return f"data of {url}"


async def drive_gather(namespace: Namespace) -> None:
    assert await namespace["gather_example"]() == ["data of url1", "data of url2", "data of url3"]
    assert fetching[:3] == ["begin url1", "begin url2", "begin url3"], "one after the other"


async def drive_tasks(namespace: Namespace) -> None:
    assert await namespace["task_example"]() == ("data of url1", "data of url2")


async def drive_timeout(namespace: Namespace) -> None:
    async def too_slow() -> None:
        await asyncio.sleep(3600)

    async def in_time() -> str:
        return await asyncio.sleep(0.01, "in time")

    namespace["slow_operation"] = in_time
    assert await namespace["with_timeout"]() == "in time"
    namespace["slow_operation"] = too_slow
    begin = time.monotonic()
    assert await namespace["with_timeout"]() is None
    assert 5.0 <= time.monotonic() - begin < AT_ONCE


async def drive_errors(namespace: Namespace) -> None:
    async def fails() -> None:
        raise OSError("the risk")

    async def succeeds() -> str:
        return "fine"

    namespace["risky_operation"] = succeeds
    assert await namespace["error_handling_example"]() == "fine"
    namespace["risky_operation"] = fails
    assert await namespace["error_handling_example"]() is None


async def drive_context_managers(namespace: Namespace) -> None:
    assert namespace["response"].status_code == 200
    await namespace["client"].aclose()  # the guide's own "bad" part leaves it open


async def drive_robust_request(namespace: Namespace) -> None:
    assert await namespace["robust_request"]() == [{"path": "/"}]


async def drive_type_hints(namespace: Namespace) -> None:
    async with namespace["httpx"].AsyncClient(base_url="http://localhost:8000") as client:
        assert await namespace["fetch_users"](client) == [{"path": "/users"}]
    assert await namespace["fetch_users"](client) is None  # it is closed now


async def drive_blocking(namespace: Namespace) -> None:
    """A heartbeat stops while the one blocks, and goes on while the other waits."""

    async def beats_during(operation: Awaitable[str]) -> int:
        beats = 0

        async def heartbeat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.05)
                beats += 1

        beating = asyncio.create_task(heartbeat())
        await asyncio.sleep(0)
        begin = time.monotonic()
        assert await operation == "done"
        assert 5.0 <= time.monotonic() - begin < AT_ONCE
        beating.cancel()
        return beats

    assert await beats_during(namespace["blocking_operation"]()) <= 1
    assert await beats_during(namespace["non_blocking_operation"]()) > 3  # up to 100 of them


async def drive_concurrent_requests(namespace: Namespace) -> None:
    # The guide's client has no base_url, so its three requests fail, and gather hands the errors back.
    responses = await namespace["concurrent_requests"]()
    assert [type(response) for response in responses] == [namespace["httpx"].UnsupportedProtocol] * 3


async def drive_loop_management(namespace: Namespace) -> None:
    assert await namespace["main"]() is None


FRAGMENTS: dict[str, Fragment] = {
    "Concurrent Execution": Fragment(("asyncio", "aiohttp", "time")),
    "Restaurant Analogy": Fragment(
        names={
            **{f"serve_customer_{n}": lambda n=n: served.append(f"sync {n}") for n in (1, 2, 3)},
            **{f"take_order_customer_{n}": lambda n=n: order(n) for n in (1, 2, 3)},
        },
        drive=drive_restaurants,
    ),
    "Coroutines": Fragment(("asyncio",)),
    "Coroutine Objects": Fragment(("asyncio",), drive=drive_coroutine_objects),
    "Gathering Results": Fragment(("asyncio",), {"fetch_data": fetch_data}, drive_gather),
    "Creating Tasks": Fragment(
        ("asyncio",), {"fetch_data": fetch_data, "some_other_work": lambda: asyncio.sleep(0.01)}, drive_tasks
    ),
    "Timeout Handling": Fragment(("asyncio",), drive=drive_timeout),
    "Error Handling": Fragment(drive=drive_errors),
    "Always Use Async Context Managers": Fragment(("httpx",), drive=drive_context_managers),
    "Handle Exceptions Properly": Fragment(("httpx",), drive=drive_robust_request),
    "Use Type Hints": Fragment(drive=drive_type_hints),
    "Don't Block the Event Loop": Fragment(drive=drive_blocking),
    "Use asyncio.gather() for Concurrency": Fragment(("asyncio", "httpx"), drive=drive_concurrent_requests),
    "Proper Event Loop Management": Fragment(("asyncio",), drive=drive_loop_management),
}


async def drive_http_pattern(namespace: Namespace) -> None:
    """The inner function of "Real-World Event Loop Patterns" whose call the guide has commented out."""
    outer = namespace["real_world_event_loop_patterns"]
    code = {part.co_name: part for part in outer.__code__.co_consts if isinstance(part, types.CodeType)}
    fetch_url = types.FunctionType(code["fetch_url"], namespace)
    pattern = types.FunctionType(
        code["http_request_pattern"], namespace, closure=(types.CellType(fetch_url),)
    )
    for _ in range(10):  # a busy machine spoils some measurements, not all
        begin = time.monotonic()
        assert await pattern() == [{"delay": 1.0}, {"delay": 2.0}, {"delay": 1.5}]
        took = time.monotonic() - begin
        assert took >= 2.0
        if took < 4.4:
            return
    raise AssertionError("one after the other")


# Run once more, after the plain run: parts of a whole program that it does not call itself.
UNCALLED: dict[str, Fragment] = {"Real-World Event Loop Patterns": Fragment(drive=drive_http_pattern)}
