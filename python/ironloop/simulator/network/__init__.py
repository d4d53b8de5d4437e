"""A simulated network: hosts, their sockets, and what lies between them.

`network` is what a simulation has of it, `hosts` and `links` what it is made of; `fabric` moves the bytes of
one loop's `sockets`, as `streams` and `datagrams`. Imports nothing of a simulation but its errors.
"""

from ironloop.simulator.network.hosts import Host
from ironloop.simulator.network.links import Link
from ironloop.simulator.network.network import Network

__all__ = ["Host", "Link", "Network"]
