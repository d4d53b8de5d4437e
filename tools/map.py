"""Whether ARCHITECTURE.md is true: each file that its table names is there. Part of `make lint`."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def names(text: str) -> Iterator[tuple[str, str]]:
    """The folder that a row stands under, and each name in its second column, braces opened."""
    folder = ""
    for heading, column in re.findall(r"^\| (.*) \| (.*) \|$", text, flags=re.MULTILINE):
        if heading.startswith("**"):
            folder = column.strip("` ")
            continue
        for name in re.findall(r"`([^`]+)`", column):
            parts = [part.split(",") for part in re.split(r"[{}]", name)]
            yield from ((folder, "".join(choice)) for choice in itertools.product(*parts))


def main() -> int:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    folders = ("", "crates/driver/src/")
    gone = [
        f"{folder}{name}"
        for folder, name in names(text)
        if not any((ROOT / place / name).exists() for place in (folder, *folders))
    ]
    for name in gone:
        print(f"ARCHITECTURE.md names {name}, which is not there")
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main())
