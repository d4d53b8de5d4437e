"""Random programs over asyncio's vocabulary: the same one on stock asyncio and on ironloop, event for event.

A program is data (`program`): what a handful of tasks do, one operation after the other, with queues, locks
and futures that they share. `generate` makes one from a seed; `interpreter` runs it, looking asyncio's names
up when it uses them, and `world` notes all that can be observed. `sides` runs it on either loop, in virtual
time (`loops`); `compare` looks for the first difference and `shrink` for the smallest program that shows one.

From the folder `tests`: `python -m random_programs --seed 1 --programs 1000`.
"""
