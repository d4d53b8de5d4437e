"""What a simulation can find beside the program's own errors."""

from __future__ import annotations


class Deadlock(RuntimeError):
    """Nothing will ever happen again: no task can run, no timer is set, no thread works. Says who waits."""

    __module__ = "ironloop.simulator"


class Escape(RuntimeError):
    """The program would reach out of the simulation: to a real address, another process, a second loop."""

    __module__ = "ironloop.simulator"


class Violation(AssertionError):
    """What `Simulation.always` or `Simulation.eventually` was told does not hold."""

    __module__ = "ironloop.simulator"
