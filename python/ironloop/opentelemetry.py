"""A loop's numbers as OpenTelemetry's metrics, and what blocked it as spans: `pip install ironloop[otel]`.

It needs OpenTelemetry's API package alone; where they go is the business of the program's SDK.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

try:
    from opentelemetry import context as contexts
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import Observation
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "ironloop.opentelemetry needs OpenTelemetry's API: pip install ironloop[otel]", name="opentelemetry"
    ) from None

from ironloop._ironloop import __version__
from ironloop.blocked import Blocked, add_blocked_callback, remove_blocked_callback
from ironloop.loop import Loop

if TYPE_CHECKING:
    from ironloop.metrics import Histogram, Metrics

__all__ = ["Instrumentation", "instrument"]

_NAME = "ironloop"
# All instruments of one collection are of one look.
_FRESH = 0.1
_TIMES = {
    "step": ("step_time", "How long steps of tasks ran"),
    "ready": ("ready_time", "How long tasks were ready before they ran"),
    "turn": ("turn_time", "How long turns of the loop took"),
    "lag": ("lag", "How late callbacks of timers ran"),
}


class Instrumentation:
    """What `instrument` has begun; `end` ends it. As a context manager it ends with the block."""

    def __init__(self, loop: Loop, instruments: _Instruments, tracer: trace.Tracer) -> None:
        self._loop = loop
        self._instruments = instruments
        self._tracer = tracer
        # Of the loop's thread; before it has run, of who asks for it.
        self._thread: int | None = None
        self._name = threading.current_thread().name
        self._last: tuple[float, Metrics | None] = (0.0, None)
        instruments.instrumentations.append(self)
        add_blocked_callback(self._blocked)

    def end(self) -> None:
        """No more spans, and no more numbers. What is ended already stays so."""
        with _lock:
            if self in self._instruments.instrumentations:
                self._instruments.instrumentations.remove(self)
                remove_blocked_callback(self._blocked)

    def __enter__(self) -> Instrumentation:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def _attributes(self) -> dict[str, str]:
        """What all that is told of the loop has. A reader has a thread of its own."""
        loop: Any = self._loop
        runs_in = loop._thread_id
        if runs_in is not None and runs_in != self._thread:
            for thread in threading.enumerate():
                if thread.ident == runs_in:
                    self._thread, self._name = runs_in, thread.name
        return {"thread.name": self._name}

    def _metrics(self) -> Metrics | None:
        """The loop's numbers; none once it is closed, and then it is not asked again."""
        now = time.monotonic()
        taken, found = self._last
        if found is None or now - taken > _FRESH:
            try:
                found = self._loop.metrics()
            except RuntimeError:
                found = None
                if self._loop.is_closed():
                    self.end()
            self._last = (now, found)
        return found

    def _blocked(self, report: Blocked) -> None:
        if report.loop is not self._loop:
            return
        end = time.time_ns()
        attributes: dict[str, Any] = {
            **self._attributes,
            "ironloop.blocked.seconds": report.duration,
            "ironloop.blocked.collecting": report.collecting,
            "ironloop.blocked.callbacks": report.callbacks,
        }
        if report.cpu is not None:
            attributes["ironloop.blocked.cpu_seconds"] = report.cpu
        if report.task is not None:
            attributes["ironloop.task.name"] = report.task
        if report.coroutine is not None:
            attributes["ironloop.task.coroutine"] = report.coroutine
        if report.awaiters:
            attributes["ironloop.task.awaiters"] = report.awaiters
        if report.stack:
            innermost = report.stack[-1]
            attributes["code.stacktrace"] = "".join(report.stack.format())
            attributes["code.function.name"] = innermost.name
            attributes["code.file.path"] = innermost.filename
            attributes["code.line.number"] = innermost.lineno
        began = end - int(report.duration * 1e9)
        parent = _context_of(self._loop, report.task)
        span = self._tracer.start_span("event loop blocked", parent, attributes=attributes, start_time=began)
        span.end(end)


def instrument(
    loop: asyncio.AbstractEventLoop | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    tracer_provider: trace.TracerProvider | None = None,
) -> Instrumentation:
    """Has a loop's numbers (`loop.metrics()`) observed, and a span made of each time that it was blocked.

    The loop is recorded from now on, as by `ironloop.watch`: without that there are no times. A span is a
    child of what the blocked task was in, where that task is still there.

    Args:
        loop: a loop of ironloop's; by default the one that runs.
        meter_provider: by default the global one.
        tracer_provider: by default the global one.

    Raises:
        RuntimeError: no loop is given, and none runs.
        TypeError: it is another's loop.
        OSError: there is no place for a recording.
    """
    loop = asyncio.get_running_loop() if loop is None else loop
    if not isinstance(loop, Loop):
        raise TypeError(f"a loop of ironloop's was expected, got {loop!r}")
    loop._record()
    meter_provider = metrics.get_meter_provider() if meter_provider is None else meter_provider
    tracer_provider = trace.get_tracer_provider() if tracer_provider is None else tracer_provider
    tracer = tracer_provider.get_tracer(_NAME, __version__)
    return Instrumentation(loop, _instruments_of(meter_provider), tracer)


class _Instruments:
    """Those of one provider, which can be made once and not taken back; each is asked for all loops."""

    def __init__(self, provider: metrics.MeterProvider) -> None:
        self.provider = provider
        self.instrumentations: list[Instrumentation] = []
        meter = provider.get_meter(_NAME, __version__)
        gauge, counter = meter.create_observable_gauge, meter.create_observable_counter
        up_down = meter.create_observable_up_down_counter

        def publish(make: Callable[..., object], name: str, unit: str, what: str, read: _Read) -> None:
            make(f"ironloop.{name}", [self._asked(read)], unit, what)

        publish(counter, "items", "{item}", "Callbacks and steps that were performed", _one("items"))
        publish(up_down, "ready.depth", "{item}", "Callbacks and tasks that are ready to run", _one("ready"))
        publish(up_down, "timers", "{timer}", "Timers that wait", _one("timers"))
        publish(up_down, "tasks", "{task}", "Tasks by state and by what they wait for", _tasks)
        publish(counter, "tasks.made", "{task}", "Tasks that were made or met", _one("tasks_made"))
        publish(up_down, "transports", "{transport}", "Transports that are open", _one("transports"))
        publish(counter, "connections", "{transport}", "Transports that were opened", _one("connections"))
        publish(up_down, "buffered", "By", "Bytes written that wait for the kernel", _one("buffered"))
        publish(counter, "io", "By", "Bytes from connections and to them", _bytes)
        publish(counter, "missed", "{event}", "Events that were gone before a look", _one("missed"))
        for name, (field, what) in _TIMES.items():
            publish(counter, f"{name}.time", "s", f"{what}, in all", _of(field, "sum"))
            publish(counter, f"{name}.count", "{time}", f"{what}: how often", _of(field, "count"))
            publish(gauge, f"{name}.max", "s", f"{what}, at most", _of(field, "max"))
            for percent in (50, 90, 99):
                what_of = f"{what}, {percent} % of them at most"
                publish(gauge, f"{name}.p{percent}", "s", what_of, _of(field, percent))

    def _asked(self, read: _Read) -> Callable[[metrics.CallbackOptions], Sequence[Observation]]:
        def observe(_: metrics.CallbackOptions) -> Sequence[Observation]:
            looks = [(each._attributes, each._metrics()) for each in list(self.instrumentations)]
            return [
                Observation(value, {**own, **attributes})
                for own, found in looks
                if found is not None
                for value, attributes in read(found)
            ]

        return observe


_Read = Callable[["Metrics"], Iterator[tuple[float, dict[str, str]]]]
_all: list[_Instruments] = []
_lock = threading.Lock()


def _instruments_of(provider: metrics.MeterProvider) -> _Instruments:
    with _lock:
        found = next((each for each in _all if each.provider is provider), None)
        if found is None:
            found = _Instruments(provider)
            _all.append(found)
        return found


def _one(field: str) -> _Read:
    def read(found: Metrics) -> Iterator[tuple[float, dict[str, str]]]:
        value = getattr(found, field)
        if value is not None:
            yield value, {}

    return read


def _of(field: str, what: str | int) -> _Read:
    def read(found: Metrics) -> Iterator[tuple[float, dict[str, str]]]:
        histogram: Histogram | None = getattr(found, field)
        if histogram is not None:
            yield histogram.percentile(what) if isinstance(what, int) else getattr(histogram, what), {}

    return read


def _tasks(found: Metrics) -> Iterator[tuple[float, dict[str, str]]]:
    for state, count in (found.tasks or {}).items():
        if state != "SUSPENDED":
            yield count, {"state": state}
    for reason, count in (found.waiting or {}).items():
        yield count, {"state": "SUSPENDED", "reason": reason}


def _bytes(found: Metrics) -> Iterator[tuple[float, dict[str, str]]]:
    if found.received is not None and found.sent is not None:
        yield found.received, {"network.io.direction": "receive"}
        yield found.sent, {"network.io.direction": "transmit"}


def _context_of(loop: Loop, name: str | None) -> contexts.Context:
    """What the task of that name is in; nothing where it has ended, or shares its name."""
    named = [task for task in asyncio.all_tasks(loop) if name is not None and task.get_name() == name]
    if len(named) == 1 and hasattr(named[0], "get_context"):
        # Somebody may be in it already.
        with contextlib.suppress(RuntimeError):
            inside: contexts.Context = named[0].get_context().run(contexts.get_current)
            return inside
    return contexts.Context()
