"""What `suites.toml` says, typed."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Suite:
    """One library's test suite; `suites.toml` explains the fields."""

    name: str
    requirement: str
    sha256: str
    keep: list[str]
    tests: list[str]
    options: list[str]
    at_least: int
    debian: tuple[str, str] | None = None
    workers: int | None = None
    async_only: bool = False
    postgres: bool = False
    timeout: float = 900.0
    deselect: list[dict[str, Any]] = field(default_factory=list)

    @property
    def version(self) -> str:
        return self.requirement.partition("==")[2]

    @property
    def requirements(self) -> Path:
        return FOLDER / "requirements" / f"{self.name}.txt"

    def deselected(self) -> str:
        """A regular expression for the ids of tests that are left out; in `deselect` only `*` is special."""
        patterns = [pattern for group in self.deselect for pattern in group["tests"]]
        return "|".join(".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns)


def load() -> dict[str, Suite]:
    tables = tomllib.loads((FOLDER / "suites.toml").read_text())
    return {name: Suite(name=name, **table) for name, table in tables.items()}
