"""Reads what a page of docs/deploy has users write and type: the tests do just that.

A program is a block with a title, which is its file's name; a command is a line of a block of `sh`. All
pages have the programs of index.md. Port 8000 of the page is a free one in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "deploy"
PORT = "8000"
PARTS = re.compile(
    r'^## (?P<heading>[^\n]+)$|^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$',
    re.M | re.S,
)

opened: list[Page] = []


class Page:
    """A page: its programs, and its commands by section. `asked` has the sections that tests ask for."""

    def __init__(self, name: str, tested_elsewhere: Iterable[str] = ()) -> None:
        self.name = name
        self.programs: dict[str, str] = {} if name == "index" else dict(Page("index").programs)
        self.asked = set(tested_elsewhere)
        self.ports: dict[str, int] = {}
        self._commands: dict[str, list[str]] = {}
        section = ""
        for part in PARTS.finditer((FOLDER / f"{name}.md").read_text(encoding="utf-8")):
            if part["heading"]:
                section = part["heading"]
            elif part["title"]:
                self.programs[part["title"]] = part["text"]
            elif part["kind"] == "sh":
                lines = part["text"].replace("\\\n", " ").splitlines()
                commands = [line.partition("  #")[0].strip() for line in lines]
                self._commands.setdefault(section, []).extend(filter(None, commands))
        if name != "index":
            opened.append(self)

    def commands(self, section: str) -> list[str]:
        """What the section has one type, for tests that run it."""
        self.asked.add(section)
        return self._commands[section]

    def command(self, section: str) -> str:
        """The only command of the section."""
        (command,) = self.commands(section)
        return command

    def untested(self) -> set[str]:
        """The sections with commands that no test has asked for."""
        return self._commands.keys() - self.asked

    def write_programs(self, folder: Path, port: int) -> None:
        for title, text in self.programs.items():
            file = folder / title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.with_ports(text, port), encoding="utf-8")

    def with_ports(self, text: str, port: int) -> str:
        """The text with that port in place of 8000, and with those of `ports` that services really have."""
        for named, real in {PORT: port, **self.ports}.items():
            text = re.sub(rf"\b{named}\b", str(real), text)
        return text
