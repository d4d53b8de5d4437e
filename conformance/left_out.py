"""left-out.toml: what of CPython's suite no loop outside CPython can pass, in groups with their reasons."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LeftOut:
    """What is left out on one Python: whole modules, and tests by name."""

    modules: frozenset[str]
    tests: frozenset[str]
    # Those of the tests that not every patch release has.
    backported: frozenset[str]

    @classmethod
    def read(cls, path: Path, python: tuple[int, ...], native: bool) -> LeftOut:
        """A group may say `since = "3.12"`, `until = "3.13"` or both; a test "NAME since 3.12 until 3.13".

        With `native = true` (or false) it is for the runs with (or without) the native vocabulary. With
        `backported = true` its tests came with a patch release, and earlier ones do not have them.
        """
        modules: set[str] = set()
        tests: set[str] = set()
        backported: set[str] = set()
        for group in tomllib.loads(path.read_text())["group"]:
            if not group["reason"].strip():
                raise SystemExit(f"{path.name}: a group without a reason")
            if group.get("native", native) == native and _within(
                group.get("since"), group.get("until"), python
            ):
                modules.update(group.get("modules", ()))
                names = {name for line in group.get("tests", ()) if (name := _name(line, python))}
                tests |= names
                if group.get("backported"):
                    backported |= names
        return cls(frozenset(modules), frozenset(tests), frozenset(backported))


def _name(line: str, python: tuple[int, ...]) -> str | None:
    name, *words = line.split()
    bounds = dict(zip(words[::2], words[1::2], strict=True))
    return name if _within(bounds.get("since"), bounds.get("until"), python) else None


def _within(since: str | None, until: str | None, python: tuple[int, ...]) -> bool:
    return (since is None or _version(since) <= python) and (until is None or python <= _version(until))


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
