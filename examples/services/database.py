"""PostgreSQL for the examples: the private server of `tools/postgres.py`."""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from postgres import PostgreSQL

__all__ = ["PostgreSQL", "at_hand"]


def at_hand() -> bool:
    """Whether PostgreSQL is installed. If not, `PostgreSQL` installs it first, which takes long."""
    return bool(shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb")))
