"""Takes programs, what they print, and links out of the documentation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from programs import ROOT

_FENCE = re.compile(r"^( *)```(\w*)(?: title=\"([^\"]*)\")?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Code between fences, and the code that follows it."""

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Everything that is written for readers."""
    beside = [page for folder in (".", "benches", "examples") for page in (ROOT / folder).glob("*.md")]
    return sorted([*(ROOT / "docs").rglob("*.md"), *beside])


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, match.start()) + 1, match[2], match[3] or "", _unindented(match))
        for match in _FENCE.finditer(text)
    ]


def _unindented(match: re.Match[str]) -> str:
    return re.sub(f"^{match[1]}", "", match[4], flags=re.MULTILINE)


def programs(page: Path) -> Iterator[tuple[Block, str]]:
    """Those whose output stands below them, in a block of its own, and that output."""
    found = blocks(page)
    for block, following in itertools.pairwise(found):
        if block.language == "python" and following.language == "text":
            yield block, following.text


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]+`", "", _FENCE.sub("", text))


def agrees(expected: str, printed: str) -> bool:
    """Whether it is what was expected, in which "…" stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("…"))), printed, re.DOTALL) is not None
