"""How the examples tell what happens: chapters, and lines that carry the seconds since the chapter began."""

import time

_began = time.perf_counter()


def chapter(title: str) -> None:
    """Print a heading and start the clock again."""
    global _began
    print(f"\n{title}\n{'-' * len(title)}")
    _began = time.perf_counter()


def elapsed() -> float:
    """Seconds since the chapter began."""
    return time.perf_counter() - _began


def say(text: str) -> None:
    # Flushed, so that a reader at the other end of a pipe sees each line when it happens.
    print(f"{elapsed():5.2f} s  {text}", flush=True)
