"""Fetches the archives that the tests come from, checks them, unpacks the tests. None is ever committed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from environments import HOME
from suites import Suite


class Unavailable(Exception):
    """The suite's tests cannot be had on this machine; the text says why."""


STORE = HOME / "compat" / "sources"


def tests_of(suite: Suite) -> Path:
    """The folder with the suite's tests; fetches them unless they are there.

    Raises Unavailable where only Debian has the archive and this machine has no Debian to ask,
    CalledProcessError if it cannot be had otherwise, SystemExit if it is not the one that was pinned.
    """
    folder = STORE / f"{suite.name}-{suite.sha256[:16]}"
    marker = folder / ".complete"
    wanted = repr(suite.keep)
    if not marker.exists() or marker.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory(dir=STORE) as scratch:
            archive = (_from_debian if suite.debian else _from_pypi)(suite, Path(scratch))
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            if digest != suite.sha256:
                raise SystemExit(f"{archive.name} has sha256 {digest}, and not the pinned {suite.sha256}")
            _unpack(archive, folder, suite.keep)
        marker.write_text(wanted)
    return folder


def _from_pypi(suite: Suite, scratch: Path) -> Path:
    # pip asks the archive for its metadata, too, and for that makes a build environment.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
    _fetch([*pip, "--no-binary", suite.name, "--dest", scratch, suite.requirement])
    return _only(scratch.glob("*.tar.gz"), suite)


def _from_debian(suite: Suite, scratch: Path) -> Path:
    """The upstream archive of a Debian source package, from this host's mirror; apt checks the signature."""
    assert suite.debian is not None
    release, package = suite.debian
    if shutil.which("apt-get") is None:
        raise Unavailable("PyPI has no tests of it, and there is no apt-get here")
    lists, cache, sources = scratch / "lists", scratch / "cache", scratch / "sources.list"
    for folder in (lists / "partial", cache / "archives" / "partial"):
        folder.mkdir(parents=True)
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=True
    )
    mirrors = (line for line in asked.stdout.splitlines() if "debian" in line and "security" not in line)
    mirror = next(mirrors, None)
    if mirror is None:
        raise Unavailable("PyPI has no tests of it, and this machine's packages are not Debian's")
    sources.write_text(f"deb-src {mirror} {release} main\n")
    options = ["-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-"]
    options += ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}"]
    options += ["-o", "APT::Sandbox::User=root"]  # the scratch folder is closed to apt's own account
    try:
        _fetch(["apt-get", "-qq", *options, "update"])
        _fetch(["apt-get", "-qq", *options, "source", "--download-only", "--tar-only", package], cwd=scratch)
    except subprocess.CalledProcessError as error:
        raise Unavailable("PyPI has no tests of it, and this machine's mirror does not give them") from error
    return _only(scratch.glob("*.orig.tar.*"), suite)


def _fetch(command: list[str | Path], cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, check=True)


def _only(found: object, suite: Suite) -> Path:
    paths = list(found)  # type: ignore[call-overload]
    if len(paths) != 1:
        raise SystemExit(f"{suite.name}: one archive expected, got {[path.name for path in paths]}")
    return Path(paths[0])


def _unpack(archive: Path, folder: Path, keep: list[str]) -> None:
    """Unpacks what is to be kept, without the archive's own top folder."""
    with tarfile.open(archive) as tar:
        for member in tar:
            inner = member.name.partition("/")[2]
            if inner.partition("/")[0] in keep:
                tar.extract(member.replace(name=inner, deep=False), folder, filter="data")
    missing = [name for name in keep if not os.path.lexists(folder / name)]
    if missing:
        raise SystemExit(f"{archive.name} has no {', '.join(missing)}")
