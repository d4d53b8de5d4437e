"""pytest plugin: where the suite's tests run on ironloop, `aiofiles` is `ironloop.files`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

if json.loads(Path(os.environ["COMPAT_PLAN"]).read_text())["loop"] == "ironloop":
    from ironloop import files

    sys.modules["aiofiles"] = files
    for name in ("os", "ospath", "tempfile", "threadpool"):
        sys.modules[f"aiofiles.{name}"] = getattr(files, name)
