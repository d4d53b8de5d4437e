"""Programs that destroy, resurrect, subclass, re-enter and raise at random.

Each is made of one number. Nothing is expected of what they do but that the process is there at the end: they
look for memory that is used after its time, so `make sanitize` runs many of them with AddressSanitizer.

    python -m rough_programs asyncio|ironloop FIRST COUNT    (in tests/)
"""
