"""`ironloop.opentelemetry`: a loop's numbers and what blocked it, by OpenTelemetry's own SDK."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
import weakref
from datetime import datetime

import ironloop
import pytest
from conftest import needs_ironloop
from programs import run_program

pytest.importorskip("opentelemetry.sdk", exc_type=ImportError)

from ironloop.opentelemetry import instrument
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

pytestmark = needs_ironloop


class Telemetry:
    """Providers that keep what they are given."""

    def __init__(self):
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.spans = InMemorySpanExporter()
        self.traces = TracerProvider()
        self.traces.add_span_processor(SimpleSpanProcessor(self.spans))

    def instrument(self, loop=None):
        return instrument(loop, meter_provider=self.meters, tracer_provider=self.traces)

    def points(self):
        """Each metric's points."""
        data = self.reader.get_metrics_data()
        scopes = (
            [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        )
        return {metric.name: metric.data.data_points for scope in scopes for metric in scope.metrics}

    def value(self, name):
        (point,) = self.points()[name]
        return point.value


@pytest.fixture
def telemetry():
    telemetry = Telemetry()
    yield telemetry
    telemetry.meters.shutdown()
    telemetry.traces.shutdown()


def test_the_numbers_of_a_loop_are_observed(telemetry):
    async def main():
        with telemetry.instrument():
            waiting = asyncio.create_task(asyncio.sleep(1000))
            for _ in range(10):
                await asyncio.sleep(0)
            # As an exporter does, from a thread of its own.
            points = await asyncio.to_thread(telemetry.points)
            waiting.cancel()
        assert telemetry.points() == {}
        return points

    points = ironloop.run(main())
    values = {
        (
            name,
            *sorted((key, value) for key, value in point.attributes.items() if key != "thread.name"),
        ): point.value
        for name, all_of_it in points.items()
        for point in all_of_it
    }
    assert values["ironloop.timers",] == 1
    assert values["ironloop.transports",] == values["ironloop.buffered",] == values["ironloop.missed",] == 0
    assert values["ironloop.tasks", ("reason", "sleep"), ("state", "SUSPENDED")] == 1
    assert values["ironloop.step.count",] >= 10 and values["ironloop.tasks.made",] >= 2
    assert 0 < values["ironloop.step.p50",] <= values["ironloop.step.p99",] <= values["ironloop.step.max",]
    assert values["ironloop.io", ("network.io.direction", "receive")] == 0
    assert {point.attributes["thread.name"] for point in points["ironloop.ready.depth"]} == {"MainThread"}


def test_loops_of_several_threads_share_the_instruments(telemetry):
    both = threading.Barrier(3, timeout=60)

    async def main():
        with telemetry.instrument():
            await asyncio.sleep(0)
            await asyncio.to_thread(both.wait)
            await asyncio.to_thread(both.wait)

    threads = [threading.Thread(target=lambda: ironloop.run(main()), name=name) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    both.wait()
    points = telemetry.points()
    both.wait()
    for thread in threads:
        thread.join()
    assert {point.attributes["thread.name"] for point in points["ironloop.items"]} == {"one", "other"}


BLOCKED = """
import asyncio, time
import ironloop
from ironloop.opentelemetry import instrument
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans, traces = InMemorySpanExporter(), TracerProvider()
traces.add_span_processor(SimpleSpanProcessor(spans))

def block():
    time.sleep(0.3)

async def request():
    with traces.get_tracer("app").start_as_current_span("request"):
        block()
        while not spans.get_finished_spans():
            await asyncio.sleep(0.001)

async def main():
    with instrument(tracer_provider=traces):
        await asyncio.create_task(request(), name="the request")
    block()
    await asyncio.sleep(0.01)

ironloop.run(main())
for span in spans.get_finished_spans():
    print(span.to_json(indent=None))
"""


def test_a_block_is_a_span_with_its_stack_and_a_child_of_what_the_task_was_in(tmp_path):
    program = tmp_path / "app.py"
    program.write_text(BLOCKED)
    done = run_program([sys.executable, program], IRONLOOP_BLOCKED="0.1")
    assert done.returncode == 0, done.stderr
    blocked, request = (json.loads(line) for line in done.stdout.splitlines())
    assert (blocked["name"], request["name"]) == ("event loop blocked", "request")
    found = blocked["attributes"]
    assert found["ironloop.task.name"] == "the request" and found["ironloop.task.awaiters"] == ["Task-1"]
    assert found["ironloop.task.coroutine"] == "request" and found["thread.name"] == "MainThread"
    assert found["code.function.name"] == "block" and found["code.file.path"] == str(program)
    assert found["code.line.number"] == BLOCKED.splitlines().index("    time.sleep(0.3)") + 1
    assert "in request\n" in found["code.stacktrace"] and "time.sleep(0.3)" in found["code.stacktrace"]
    assert 0.2 < found["ironloop.blocked.seconds"] < 30
    began, ended = (datetime.fromisoformat(blocked[word]) for word in ("start_time", "end_time"))
    assert (ended - began).total_seconds() == pytest.approx(found["ironloop.blocked.seconds"], abs=1e-3)
    if sys.version_info >= (3, 12):
        # Before, a task does not tell its context.
        assert blocked["parent_id"] == request["context"]["span_id"]


def test_a_closed_loop_has_no_numbers_any_more(telemetry):
    async def main():
        telemetry.instrument()

    ironloop.run(main())
    assert telemetry.points() == {}


def test_a_closed_loop_is_not_kept(telemetry):
    loop = ironloop.new_event_loop()
    telemetry.instrument(loop)
    kept = weakref.ref(loop)
    loop.close()
    del loop
    telemetry.points()
    gc.collect()
    assert kept() is None


def test_the_thread_is_that_of_the_loop(telemetry):
    begun = threading.Event()
    loop = ironloop.new_event_loop()
    telemetry.instrument(loop)
    loop.call_soon(begun.set)
    thread = threading.Thread(target=loop.run_forever, name="the loop's")
    thread.start()
    assert begun.wait(60)
    points = telemetry.points()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert {point.attributes["thread.name"] for point in points["ironloop.items"]} == {"the loop's"}


def test_what_is_no_loop_of_ours_is_refused():
    with pytest.raises(RuntimeError, match="no running event loop"):
        instrument()
    loop = asyncio.SelectorEventLoop()
    try:
        with pytest.raises(TypeError, match="a loop of ironloop's"):
            instrument(loop)
    finally:
        loop.close()


def test_without_the_api_it_says_what_to_install():
    program = "import sys; sys.modules['opentelemetry'] = None\nimport ironloop.opentelemetry"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "pip install ironloop[otel]" in done.stderr and done.returncode == 1
