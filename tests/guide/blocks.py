"""Takes the Python programs and the expected output out of the guide."""

from __future__ import annotations

import re
from pathlib import Path

from programs import ROOT

GUIDE = ROOT.parent / "shared" / "GUIDE.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (?:\d+\. )?(.+?)$", re.MULTILINE)


def read_blocks(guide: Path = GUIDE) -> dict[str, str]:
    """Each ```python block under the heading it stands below; ValueError where a heading has two."""
    text = guide.read_text(encoding="utf-8")
    # Comments in programs look like headings: only what stands outside of fences is one.
    outside = FENCE.sub(lambda match: "\n" * match.group().count("\n") + " " * _rest(match), text)
    headings = [(match.start(), match[1].strip()) for match in HEADING.finditer(outside)]
    blocks: dict[str, str] = {}
    for match in FENCE.finditer(text):
        if match[1] == "python":
            heading = [name for start, name in headings if start < match.start()][-1]
            if heading in blocks:
                raise ValueError(f"two programs below {heading!r}")
            blocks[heading] = match[2]
    return blocks


def _rest(match: re.Match[str]) -> int:
    """How many blanks keep every position where it was."""
    return len(match.group()) - match.group().count("\n")


def count_blocks(guide: Path = GUIDE) -> int:
    """Counted without the machinery above, so that the two can be compared."""
    return sum(line.strip() == "```python" for line in guide.read_text(encoding="utf-8").splitlines())


def expected_restaurant_output(guide: Path = GUIDE) -> str:
    """The guide's own "Expected Output" of its restaurant."""
    _, _, rest = guide.read_text(encoding="utf-8").partition("**Expected Output")
    match = FENCE.search(rest)
    assert match is not None
    return match[2]
