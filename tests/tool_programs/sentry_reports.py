"""Sentry's asyncio integration, which makes all tasks itself, on ironloop; nothing is sent."""

from __future__ import annotations

import asyncio
import sys

import ironloop
import sentry_sdk
from sentry_sdk.integrations.asyncio import AsyncioIntegration
from sentry_sdk.transport import Transport

events: list[dict[str, object]] = []


class Kept(Transport):
    """Keeps what would be sent."""

    def capture_envelope(self, envelope: sentry_sdk.envelope.Envelope) -> None:
        events.extend(item.payload.json for item in envelope.items if item.payload.json)


async def failing() -> None:
    await asyncio.sleep(0)
    raise LookupError("to be reported")


async def consume(queue: asyncio.Queue[int], lock: asyncio.Lock) -> int:
    async with lock:
        return await queue.get()


async def main() -> None:
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Kept,
        default_integrations=False,
        integrations=[AsyncioIntegration()],
        traces_sample_rate=1.0,
    )
    assert asyncio.get_running_loop().get_task_factory()._is_sentry_task_factory
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    lock = asyncio.Lock()
    with sentry_sdk.start_transaction(name="whole"):
        async with asyncio.timeout(60):
            consumers = [asyncio.create_task(consume(queue, lock)) for _ in range(10)]
            for number in range(10):
                await queue.put(number)
            assert await asyncio.gather(*consumers) == list(range(10))
            results = await asyncio.gather(failing(), return_exceptions=True)
    assert isinstance(results[0], LookupError)
    # Made by name.
    kind = ironloop.Task if sys.argv[1] == "ironloop" else asyncio.Task
    assert all(type(task) is kind for task in consumers)


if sys.argv[1] == "ironloop":
    ironloop.run(main())
else:
    asyncio.run(main())
sentry_sdk.flush()
errors = [value["type"] for event in events for value in event.get("exception", {}).get("values", [])]
assert errors == ["LookupError"], errors
spans = [span["description"] for event in events for span in event.get("spans", [])]
assert spans.count("consume") == 10, spans
assert "failing" in spans
print("reported")
