"""The page for authors of extension modules: its files and commands, as they stand there."""

import os
import shutil
import subprocess
import sys

import pytest
from documents import agrees, blocks
from programs import ROOT

PAGE = ROOT / "docs" / "rust-extensions.md"


@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("cargo") is None, reason="no cargo")
def test_the_page_from_beginning_to_end(tmp_path):
    (tmp_path / "ironloop").symlink_to(ROOT)
    site = tmp_path / "site"
    ours = ("PYO3_PYTHON", "RUSTFLAGS", "CARGO_BUILD_TARGET", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {
        "CARGO_TARGET_DIR": str(ROOT / "target" / "harbour"),
        "PATH": f"{os.path.dirname(sys.executable)}:{environment['PATH']}",
        # What it installs goes there and nowhere else, and nothing is fetched.
        **{"PIP_TARGET": str(site), "PIP_NO_INDEX": "1", "PYTHONPATH": str(site)},
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    folder, printed = tmp_path, ""
    for block in blocks(PAGE):
        if block.title:
            file = folder / block.title
            file.write_text(block.text, encoding="utf-8")
            if file.name == "Cargo.toml":
                # The versions that the examples have: nothing is compiled twice, or fetched.
                shutil.copy(ROOT / "examples" / "fetch" / "Cargo.lock", folder)
        elif block.language == "sh":
            script = f"{block.text}\npwd"
            ran = subprocess.run(
                ["bash", "-e"], input=script, cwd=folder, env=environment, capture_output=True, text=True
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr
            *lines, where = ran.stdout.splitlines()
            folder, printed = folder.__class__(where), "".join(f"{line}\n" for line in lines)
        elif block.language == "text":
            assert agrees(block.text, printed), printed
