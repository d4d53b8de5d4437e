"""OpenTelemetry's asyncio instrumentation sees the same on ironloop as on asyncio."""

from __future__ import annotations

import asyncio
import os
from collections import Counter

from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from orders import come_and_go, is_ours

WORK = ("created", "ensured", "first", "second", "in_time", "grouped", "waited", "completed", "sent")
# Read when it is turned on.
os.environ["OTEL_PYTHON_ASYNCIO_COROUTINE_NAMES_TO_TRACE"] = ",".join(WORK)
os.environ["OTEL_PYTHON_ASYNCIO_TO_THREAD_FUNCTION_NAMES_TO_TRACE"] = "threaded"
os.environ["OTEL_PYTHON_ASYNCIO_FUTURE_TRACE_ENABLED"] = "true"

spans = InMemorySpanExporter()
traces = TracerProvider()
traces.add_span_processor(SimpleSpanProcessor(spans))
numbers = InMemoryMetricReader()
meters = MeterProvider([numbers])


def work(name: str):
    async def coroutine() -> None:
        await asyncio.sleep(0.001)

    coroutine.__name__ = coroutine.__qualname__ = name
    return coroutine()


def threaded(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.run_coroutine_threadsafe(work("sent"), loop).result()


async def main() -> bool:
    await asyncio.create_task(work("created"))
    await asyncio.ensure_future(work("ensured"))
    await asyncio.gather(work("first"), work("second"))
    await asyncio.wait_for(work("in_time"), 60)
    async with asyncio.TaskGroup() as group:
        group.create_task(work("grouped"))
    await asyncio.wait([asyncio.get_running_loop().create_task(work("waited"))])
    for completed in asyncio.as_completed([work("completed")]):
        await completed
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(threaded, loop)
    future = loop.create_future()
    loop.call_soon(future.set_result, None)
    await asyncio.gather(future)
    return is_ours()


def counted() -> Counter[str]:
    """What the counter says by now, for each coroutine and function."""
    data = numbers.get_metrics_data()
    found: Counter[str] = Counter()
    for resource in data.resource_metrics if data else []:
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            if metric.name == "asyncio.process.created":
                for point in metric.data.data_points:
                    found[point.attributes.get("name", "a future")] += point.value
    return found


def check(ours: bool, traced: bool) -> None:
    before = counted()
    spans.clear()
    assert asyncio.run(main()) == ours
    seen = Counter(span.name for span in spans.get_finished_spans())
    new = counted() - before
    if not traced:
        assert not seen and not new, (seen, new)
        return
    # What goes from one of the wrapped functions to the other is traced once, and tasks are not traced again.
    expected = {f"asyncio coro-{name}": 1 for name in WORK if name != "waited"}
    assert seen == {**expected, "asyncio to_thread-threaded": 1, "asyncio future": 1}, seen
    assert all(new[name] == 1 for name in (*WORK, "threaded", "a future") if name != "waited"), new


instrumentor = AsyncioInstrumentor()
come_and_go(
    lambda: instrumentor.instrument(tracer_provider=traces, meter_provider=meters),
    instrumentor.uninstrument,
    check,
)
