"""What a release has to be before anybody can install it, asked of the files themselves.

    tools/release.py readme           README's links by their whole address, as a registry's page needs them
    tools/release.py check DIST TAG   whether all wheels and the sources are there, and each is whole

`tools/wheels.py` asks `faults` of each wheel that it builds, the release workflow asks all of it before it
publishes (docs/releasing.md). Standard library only.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

from pythons import SUPPORTED

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("manylinux_2_17", "musllinux_1_2")
MACHINES = ("x86_64", "aarch64")
# What stands in the environment's own folder, not in the package.
BESIDE = ("ironloop.pth", "_ironloop_start.py", "_ironloop_pytest.py")
SCRIPTS = ("ironloop=ironloop.command:script", "ironloop=_ironloop_pytest")
# A link or a picture of Markdown that is neither an address nor a place on the page itself.
RELATIVE = re.compile(r"(!?)(\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)")


def project() -> dict[str, object]:
    """The table [project]."""
    table: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def version() -> str:
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    return str(cargo["workspace"]["package"]["version"])


def address() -> str | None:
    """Where the project is to be read, or None as long as it has no public address."""
    urls = project().get("urls")
    found = urls.get("Repository") if isinstance(urls, dict) else None
    return str(found).rstrip("/") if found else None


def faults(wheel: Path) -> list[str]:
    """What a wheel lacks, or has that does not belong there."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        information, beside = f"ironloop-{version()}.dist-info", f"ironloop-{version()}.data/platlib"
        if f"{information}/METADATA" not in names:
            return [f"no {information}/METADATA"]
        metadata = BytesParser().parsebytes(archive.read(f"{information}/METADATA"))
        scripts = archive.read(f"{information}/entry_points.txt").decode().replace(" ", "").splitlines()
    found = list(_wrong_metadata(metadata))
    wanted = {f"{information}/licenses/{file}" for file in metadata.get_all("License-File", [])}
    wanted |= {"ironloop/py.typed", *_sources(), *(f"{beside}/{name}" for name in BESIDE)}
    found += [f"no {name}" for name in sorted(wanted - names)]
    found += [f"no entry point {script}" for script in SCRIPTS if script not in scripts]
    places = ("ironloop/", f"{information}/", f"{beside}/")
    foreign = (name for name in sorted(names) if not name.startswith(places) or "__pycache__" in name)
    found += [f"{name} has no place in it" for name in foreign]
    if sum(name.endswith(".so") for name in names) != 1:
        found.append("not one library")
    return found


def _wrong_metadata(metadata: Message) -> Iterator[str]:
    table = project()
    said = {
        "Name": table["name"],
        "Version": version(),
        "Summary": table["description"],
        "Requires-Python": table["requires-python"],
        "License-Expression": table["license"],
        "Description-Content-Type": "text/markdown; charset=UTF-8; variant=GFM",
    }
    for name, value in said.items():
        if metadata[name] != value:
            yield f"{name}: {metadata[name]}, not {value}"
    if metadata.get_all("License-File") != table["license-files"]:
        yield "not the licences of pyproject.toml"
    classifiers = metadata.get_all("Classifier", [])
    for series in SUPPORTED:
        if f"Programming Language :: Python :: {series}" not in classifiers:
            yield f"no classifier for Python {series}"
    extras = table.get("optional-dependencies", {})
    assert isinstance(extras, dict)
    if sorted(metadata.get_all("Provides-Extra", [])) != sorted(extras):
        yield f"not the extras {sorted(extras)}"
    for requirement in metadata.get_all("Requires-Dist", []):
        if "extra ==" not in requirement:
            yield f"needs {requirement}, even without an extra"


def _sources() -> set[str]:
    """What the package has in Python, and its stubs."""
    package = ROOT / "python" / "ironloop"
    files = (file for suffix in (".py", ".pyi") for file in package.rglob(f"*{suffix}"))
    return {f"ironloop/{file.relative_to(package)}" for file in files}


def missing(folder: Path) -> list[str]:
    """Which files of a release are not there."""
    names = [file.name for file in folder.iterdir()]
    wanted = {
        f"ironloop-{version()}-cp{short}-cp{short}-*{library}_{machine}*.whl": re.compile(
            rf"ironloop-{re.escape(version())}-cp{short}-cp{short}-.*{library}_{machine}\b.*\.whl"
        )
        for short in (series.replace(".", "") for series in SUPPORTED)
        for library in LIBRARIES
        for machine in MACHINES
    }
    wanted["the sources"] = re.compile(rf"ironloop-{re.escape(version())}\.tar\.gz")
    return [name for name, pattern in wanted.items() if not any(map(pattern.fullmatch, names))]


def objections(folder: Path, tag: str) -> list[str]:
    """Why this is not to be published; empty: it may be."""
    found = [f"missing: {name}" for name in missing(folder)]
    found += [f"{wheel.name}: {fault}" for wheel in sorted(folder.glob("*.whl")) for fault in faults(wheel)]
    if tag != f"v{version()}":
        found.append(f"the tag is {tag}, the version {version()}")
    if address() is None:
        found.append("pyproject.toml has no Repository under [project.urls]: the project's public address")
    if f"## {version()}\n" not in (ROOT / "CHANGELOG.md").read_text():
        found.append(f"CHANGELOG.md has no '## {version()}' of which nothing says that it is unreleased")
    return found


def whole_links(text: str, base: str, tag: str) -> str:
    """Markdown whose links into the project lead there from anywhere."""
    return RELATIVE.sub(
        lambda link: f"{link[1]}{link[2]}({base}/{'raw' if link[1] else 'blob'}/{tag}/{link[3]})", text
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("readme")
    check = commands.add_parser("check")
    check.add_argument("folder", type=Path)
    check.add_argument("tag")
    options = parser.parse_args()
    if options.command == "readme":
        base = address()
        if base is None:
            print("README.md stays as it is: there is no Repository under [project.urls]", file=sys.stderr)
            return 0
        readme = ROOT / "README.md"
        readme.write_text(whole_links(readme.read_text(), base, f"v{version()}"))
        return 0
    found = objections(options.folder, options.tag)
    print("\n".join(found) or "it may be published")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
