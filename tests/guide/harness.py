"""Runs a fragment of the guide: ``harness.py HEADING FILE``. The fragment's text stays as it is.

The missing names come from ``fragments``; a top-level ``await`` is run as a coroutine; then what the fragment
has defined is awaited. The loop is whatever ``asyncio.run`` makes in this process.
"""

import ast
import asyncio
import importlib
import inspect
import sys
from pathlib import Path

from fragments import FRAGMENTS, UNCALLED

heading, path = sys.argv[1:]
fragment = {**FRAGMENTS, **UNCALLED}[heading]
source = Path(path).read_text(encoding="utf-8")
namespace = {"__name__": "__main__", "__file__": path, **fragment.names}
namespace |= {module: importlib.import_module(module) for module in fragment.modules}
code = compile(source, path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def main() -> None:
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, namespace)
    await fragment.drive(namespace)


if not code.co_flags & inspect.CO_COROUTINE:
    exec(code, namespace)
asyncio.run(main())
