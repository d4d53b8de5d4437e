"""The wheel that this environment's ironloop came from, and what has to be before a release is published."""

import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import release

WHEELS = Path(sys.prefix) / "wheels"


@pytest.fixture
def wheel():
    found = list(WHEELS.glob("*.whl"))
    if len(found) != 1:
        pytest.skip("this ironloop came from no wheel (make test-one)")
    return found[0]


def test_the_wheel_is_whole(wheel):
    assert release.faults(wheel) == []


def remade(wheel, folder, change):
    """The wheel with other files: `change` takes a name and what stands there, and gives that, or None."""
    made = folder / wheel.name
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(made, "w") as after:
        for name in before.namelist():
            if (content := change(name, before.read(name))) is not None:
                after.writestr(name, content)
    return made


@pytest.mark.parametrize("missing", ["LICENSE-MIT", "py.typed", "ironloop.pth", "queues.pyi"])
def test_a_file_that_is_missing_is_told(wheel, tmp_path, missing):
    made = remade(wheel, tmp_path, lambda name, content: None if name.endswith(missing) else content)
    (fault,) = release.faults(made)
    assert fault.startswith("no ")
    assert fault.endswith(missing)


def test_metadata_that_say_something_else_are_told(wheel, tmp_path):
    def change(name, content):
        if not name.endswith("METADATA"):
            return content
        lines = [line for line in content.splitlines() if not line.endswith(b":: 3.14")]
        return b"\n".join([lines[0], b"Requires-Dist: requests", *lines[1:]])

    made = remade(wheel, tmp_path, change)
    assert release.faults(made) == [
        "no classifier for Python 3.14",
        "needs requests, even without an extra",
    ]


def test_a_file_that_has_no_place_in_it_is_told(wheel, tmp_path):
    made = shutil.copy(wheel, tmp_path)
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("tests/test_tasks.py", "")
    assert release.faults(Path(made)) == ["tests/test_tasks.py has no place in it"]


def names():
    """Of all files of a release."""
    version = release.version()
    shorts = [series.replace(".", "") for series in release.SUPPORTED]
    wheels = [
        f"ironloop-{version}-cp{short}-cp{short}-{tag}_{machine}.whl"
        for short in shorts
        for machine in release.MACHINES
        for tag in ("musllinux_1_2", f"manylinux2014_{machine}.manylinux_2_17")
    ]
    return [*wheels, f"ironloop-{version}.tar.gz"]


def test_a_release_is_all_wheels_and_the_sources(tmp_path):
    for name in names():
        (tmp_path / name).touch()
    assert release.missing(tmp_path) == []
    (tmp_path / names()[0]).unlink()
    (tmp_path / names()[-1]).unlink()
    first, last = release.missing(tmp_path)
    assert (first.split("-")[2], last) == ("cp311", "the sources")


def test_without_a_public_address_nothing_is_published(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "address", lambda: None)
    found = release.objections(tmp_path, f"v{release.version()}")
    assert any("public address" in objection for objection in found)
    monkeypatch.setattr(release, "address", lambda: "https://forge.example/ironloop")
    found = release.objections(tmp_path, "v99")
    assert not any("public address" in objection for objection in found)
    assert f"the tag is v99, the version {release.version()}" in found


def test_links_of_the_readme_lead_there_from_anywhere():
    text = "[guide](docs/guide/index.md), ![plot](docs/plots/summary.svg), [here](#install), [pip](https://pip.example)"
    assert release.whole_links(text, "https://forge.example/ironloop", "v1") == (
        "[guide](https://forge.example/ironloop/blob/v1/docs/guide/index.md), "
        "![plot](https://forge.example/ironloop/raw/v1/docs/plots/summary.svg), "
        "[here](#install), [pip](https://pip.example)"
    )
