"""The servers that the examples talk to, each on loopback in a process of its own."""
