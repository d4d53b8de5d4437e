"""Lets asyncpg's suite start its own PostgreSQL servers, also as root, which PostgreSQL refuses to be."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from postgres import find_binaries, runnable, unprivileged_account

PROGRAMS = ("pg_ctl", "postgres", "pg_basebackup", "pg_resetwal")

# The suite makes the data directory as root: it is given away, with what the suite has put into it since.
WRAPPER = """#!/bin/sh
for word in "$@"; do
    [ "$previous" = -D ] && chown -R {owner} "$word"
    previous=$word
done
exec setpriv --reuid={user} --regid={group} --clear-groups {program} "$@"
"""


@contextlib.contextmanager
def programs() -> Iterator[dict[str, str]]:
    """The environment variables that point asyncpg to PostgreSQL's programs.

    Raises RuntimeError if there are none and none can be installed.
    """
    account = unprivileged_account()
    with tempfile.TemporaryDirectory(prefix="compat-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        binaries = runnable(find_binaries(), folder, account)
        if account is not None:
            for program in PROGRAMS:
                wrapper = folder / program
                words = {"user": account.pw_uid, "group": account.pw_gid}
                owner = f"{account.pw_uid}:{account.pw_gid}"
                wrapper.write_text(
                    WRAPPER.format(owner=owner, program=shlex.quote(str(binaries / program)), **words)
                )
                wrapper.chmod(0o755)
        yield {"PGINSTALLATION": str(binaries if account is None else folder), "LC_ALL": "C.UTF-8"}
