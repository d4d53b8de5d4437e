"""Runs the servers, frameworks and tools that people use on ironloop, as docs/deploy says.

    make apps ARGS="--only uvicorn hypercorn"

`groups.toml` says which share an environment, `.venv/apps/<series>/<group>`. Each app is a file of tests,
which start the commands of a page of docs/deploy as they stand there. Output stays in
`.venv/apps/<series>/logs`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from environments import HOME
from library_environments import LibraryEnvironment, environment_in
from progress import Progress

FOLDER = Path(__file__).resolve().parent
TIMEOUT = 600.0
VERSION = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
COUNTS = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")


@dataclass(frozen=True, eq=False)
class Group:
    """Apps that share an environment: their names, and the distribution of each."""

    name: str
    apps: dict[str, str]
    quick: bool = False

    def prepared(self, home: Path, wheel: Path | None) -> LibraryEnvironment:
        """Its environment, up to date."""
        environment = environment_in(home / self.name)
        requirements = FOLDER / "requirements"
        environment.prepare_with(
            [requirements / "common.txt", requirements / f"{self.name}.txt"], wheel=wheel
        )
        return environment


def load() -> list[Group]:
    tables = tomllib.loads((FOLDER / "groups.toml").read_text())
    return [Group(name, **table) for name, table in tables.items()]


def run_app(
    app: str, distribution: str, environment: LibraryEnvironment, logs: Path, progress: Progress
) -> tuple[str, ...]:
    """Runs an app's tests; its line in the table: name, version, passed, skipped, seconds, what is wrong."""
    log = logs / f"{app}.log"
    command = [environment.executable, "-m", "pytest", "-c", "pytest.ini", f"test_{app}.py"]
    started = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=FOLDER,
            env=environment.variables(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
        try:
            status: int | str = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = f"no end within {TIMEOUT:.0f} s"
    seconds = time.monotonic() - started
    output = log.read_text(errors="replace")
    last = output.rstrip().rpartition("\n")[2]
    counts = {what: number for number, what in COUNTS.findall(last)}
    if status == 0 and "passed" not in counts:
        status = "nothing ran"
    if status:
        progress.print(output, file=sys.stdout)
    asked = [environment.executable, "-c", VERSION, distribution]
    version = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    line = f"[{time.strftime('%H:%M:%S')}] {app} {version}: {last.strip('= ')}"
    progress.print(line, file=sys.stdout)
    fault = f"FAILED: {status} (see {log})" if status else ""
    return app, version, counts.get("passed", "0"), counts.get("skipped", "0"), f"{seconds:.0f}", fault


def run_group(
    group: Group, apps: list[str], home: Path, wheel: Path | None, progress: Progress
) -> list[tuple[str, ...]]:
    """Runs some apps of a group in its environment; their lines in the table."""
    try:
        environment = group.prepared(home, wheel)
    except subprocess.CalledProcessError as error:
        return [(app, "", "0", "0", "0", f"FAILED: no environment: {error}") for app in apps]
    rows = []
    for app in apps:
        with progress.step(app):
            rows.append(run_app(app, group.apps[app], environment, home / "logs", progress))
    return rows


def table(rows: list[tuple[str, ...]]) -> str:
    rows = [("app", "version", "passed", "skipped", "seconds", ""), *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def arguments(names: list[str]) -> argparse.Namespace:
    home = HOME / "apps" / "{}.{}".format(*sys.version_info)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=names, metavar="APP", help=" ".join(names))
    parser.add_argument("--quick", action="store_true", help="those that CI runs with each change")
    parser.add_argument("--environments", type=Path, default=home, metavar="FOLDER", help=f"not {home}")
    parser.add_argument("--wheel", type=Path, help="another ironloop than the one that was built")
    return parser.parse_args()


def main() -> int:
    groups = load()
    options = arguments([app for group in groups for app in group.apps])
    home = options.environments.resolve()
    (home / "logs").mkdir(parents=True, exist_ok=True)
    chosen = {
        group: [app for app in group.apps if not options.only or app in options.only]
        for group in groups
        if group.quick or not options.quick
    }
    rows = []
    with Progress("apps", [app for apps in chosen.values() for app in apps]) as progress:
        for group, apps in chosen.items():
            if apps:
                rows += run_group(group, apps, home, options.wheel, progress)
    print()
    print(table(rows))
    return int(any(row[-1] for row in rows))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
