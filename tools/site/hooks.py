"""What MkDocs does beyond its configuration: pages from outside of docs/, and folders in the navigation.

ARCHITECTURE, CONTRIBUTING and their like are pages of the site and stay where they lie. A link to any other
file of the repository leads to a page that shows it. So each link holds on the site as it does in the
repository; what leads nowhere ends the build, which is strict.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

BROUGHT_IN = {
    "ARCHITECTURE.md": "project/architecture.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "benches/README.md": "project/benches.md",
    "examples/README.md": "project/examples.md",
    "README.md": "project/readme.md",
}
"""Markdown outside of docs/, and the pages that it becomes."""

LANGUAGES = {".py": "python", ".toml": "toml", ".rs": "rust", ".sh": "bash", ".yml": "yaml"}

_CODE = re.compile(r"^( *)(```+|~~~+).*?^\1\2|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\()([^()\s#:]+)((?:#[^()\s]*)?\))")


def links_of(text: str) -> list[str]:
    """The relative links of a page, without those that are shown as code."""
    return [link[2] for link in _LINK.finditer(_CODE.sub("", text))]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    expanded = _expanded(config.nav)
    named = set(_pages(expanded))
    rest = [page.name for page in sorted(DOCS.glob("*.md")) if page.name not in named]
    config.nav = _with_rest(expanded, rest)
    return config


def _pages(nav: Any) -> Iterator[str]:
    """All that a navigation names."""
    if isinstance(nav, str):
        yield nav
    for entry in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _pages(entry)


def _with_rest(nav: Any, rest: list[str]) -> Any:
    """The navigation with the pages that nobody has named in the place of "*"."""
    if isinstance(nav, dict):
        return {title: _with_rest(entry, rest) for title, entry in nav.items()}
    if not isinstance(nav, list):
        return nav
    cut = nav.index("*") if "*" in nav else len(nav)
    return [
        _with_rest(entry, rest) for entry in [*nav[:cut], *(rest if cut < len(nav) else []), *nav[cut + 1 :]]
    ]


def _expanded(nav: Any) -> Any:
    """The navigation with the pages of a folder in the place of its name: the index first, then by name."""
    if isinstance(nav, list):
        return [_expanded(entry) for entry in nav]
    if isinstance(nav, dict):
        return {title: _expanded(entry) for title, entry in nav.items()}
    if not nav.endswith("/"):
        return nav
    pages = sorted((DOCS / nav).rglob("*.md"), key=lambda path: (path.name != "index.md", path))
    return [str(path.relative_to(DOCS)) for path in pages]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what lies outside of docs/: pages, and every file that a page has a link to."""
    sources = [*DOCS.rglob("*.md"), *(ROOT / name for name in BROUGHT_IN if (ROOT / name).exists())]
    shown: set[str] = set()
    for source in sources:
        for link in links_of(source.read_text()):
            target = (source.parent / link).resolve()
            name = _name(target)
            if name and name not in BROUGHT_IN and not target.is_relative_to(DOCS) and target.exists():
                shown.add(name)
    for name, page in BROUGHT_IN.items():
        if (ROOT / name).exists():
            content = (ROOT / name).read_text()
            inclusion = InclusionLevel.NOT_IN_NAV if name == "README.md" else InclusionLevel.UNDEFINED
            files.append(File.generated(config, page, content=content, inclusion=inclusion))
    for name in sorted(shown):
        content = _shown(ROOT / name)
        files.append(
            File.generated(config, _page(name), content=content, inclusion=InclusionLevel.NOT_IN_NAV)
        )
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links to files of the repository into links to their pages."""
    here = page.file.src_uri
    source = next((name for name, brought in BROUGHT_IN.items() if brought == here), f"docs/{here}")
    if here.startswith("source/"):
        return markdown
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    def lead(match: re.Match[str]) -> str:
        target = (ROOT / source).parent / match[2]
        name = _name(target.resolve())
        if not name or not target.exists():
            return match[0]
        uri = name.removeprefix("docs/") if name.startswith("docs/") else BROUGHT_IN.get(name, _page(name))
        return f"{match[1]}{os.path.relpath(uri, Path(here).parent)}{match[3]}"

    text = _LINK.sub(lead, _CODE.sub(keep, markdown))
    return re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], text)


def _name(path: Path) -> str | None:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else None


def _page(name: str) -> str:
    return f"source/{name}.md"


def _shown(path: Path) -> str:
    """A page that shows a file, or lists a folder."""
    title = f"# {path.relative_to(ROOT)}\n\n"
    if path.is_dir():
        return title + "\n".join(f"- `{entry.name}`" for entry in sorted(path.iterdir()) if entry.is_file())
    return f"{title}~~~~~~{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text()}\n~~~~~~\n"
