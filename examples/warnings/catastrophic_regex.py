"""A regular expression that tries all ways to split its text: each letter more doubles its time.

It keeps the interpreter's lock all the while, so no thread of Python's could tell of it. On ironloop standard
error names the task and the line meanwhile: python -m ironloop THIS_FILE
"""

import asyncio
import re
import time

WORDS = re.compile(r"(\w+\s?)+")  # r"\w+(\s\w+)*" says the same, and has one way only


def takes(name: str) -> float:
    """How long it takes to find out that this is no name."""
    begun = time.perf_counter()
    assert WORDS.fullmatch(name + "!") is None
    return time.perf_counter() - begun


async def check_names() -> None:
    name = "Maria Magdalena"
    while (seconds := takes(name)) < 0.6:
        name += "a"
    print(f"{len(name)} letters and an exclamation mark: {seconds:.1f} s")


async def main() -> None:
    await asyncio.create_task(check_names(), name="registration")


if __name__ == "__main__":
    asyncio.run(main())
