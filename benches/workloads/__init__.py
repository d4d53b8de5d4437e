"""The workloads, a file a concept. Importing this package registers them all, in the order of the tables."""

from importlib import import_module

from harness.workload import Workload

_PARTS = {
    "Callbacks, timers, threads": ("callbacks", "timers", "threads"),
    "Tasks and what they wait for": (
        *("tasks", "futures", "combinators", "queues", "locks", "timeouts", "memory"),
    ),
    "Connections": ("echo", "tls", "calls"),
    "Programs": ("http", "clients", "fetch", "lookups", "files", "slow_disk", "postgres", "startup"),
    "Rust futures": ("door",),
}

_CONCEPTS = {concept: part for part, concepts in _PARTS.items() for concept in concepts}

for _concept in _CONCEPTS:
    import_module(f"{__name__}.{_concept}")


def part_of(workload: Workload) -> str:
    """The part of the suite that it belongs to."""
    return _CONCEPTS[workload.body.__module__.rpartition(".")[2]]
