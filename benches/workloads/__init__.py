"""The workloads, a file a concept. Importing this package registers them all, in the order of the tables."""

from importlib import import_module

for _concept in ("callbacks", "timers", "threads", "tasks", "echo", "http", "startup"):
    import_module(f"{__name__}.{_concept}")
