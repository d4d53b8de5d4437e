"""The workloads, a file a concept. Importing this package registers them all, in the order of the tables."""

from importlib import import_module

_CONCEPTS = (
    *("callbacks", "timers", "threads"),
    *("tasks", "futures", "combinators", "queues", "locks", "timeouts", "memory"),
    *("echo", "tls", "http", "clients", "lookups", "postgres", "calls", "startup"),
)

for _concept in _CONCEPTS:
    import_module(f"{__name__}.{_concept}")
