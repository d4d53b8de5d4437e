"""The record of a run: where and with what it was measured, every sample as JSON, and the tables."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from .rounds import Results, Sample
from .tls import OPENSSL, is_loaded

LIBRARIES = ("aiohttp", "asyncpg", "httptools", "uvicorn")
"""Whose code runs on the loops in some rows."""


@dataclass(frozen=True)
class Run:
    """`loops` is loop to version; `scale` what the counts were multiplied by; `seconds` how long it took."""

    loops: dict[str, str]
    rounds: int
    scale: float
    seconds: float
    python: str
    build: str
    openssl: str
    libraries: dict[str, str]
    kernel: str
    processor: str
    load_average: list[float]

    @classmethod
    def here(cls, loops: dict[str, str], rounds: int, scale: float, seconds: float) -> Run:
        """Of this machine and this Python."""
        return cls(
            **{"loops": loops, "rounds": rounds, "scale": scale, "seconds": seconds},
            python=platform.python_version(),
            build=build(),
            openssl=OPENSSL,
            libraries=dict(_versions(LIBRARIES)),
            kernel=platform.release(),
            processor=processor(),
            load_average=list(os.getloadavg()),
        )

    def heading(self) -> str:
        loops = {name: version for name, version in self.loops.items() if name != "asyncio"}
        named = ", ".join(f"{name} {version}" for name, version in {**loops, **self.libraries}.items())
        scale = "" if self.scale == 1 else f", counts x {self.scale}: a smoke test, not a measurement"
        return (
            f"CPython {self.python} ({self.build}), {self.openssl}; {named}; "
            f"Linux {self.kernel}, {self.processor}; {self.rounds} round{'s' * (self.rounds != 1)}{scale}.\n"
            "A cell is the median of the rounds' ratios to the first column (smallest to largest).\n"
        )

    def save(self, folder: Path, results: Results, tables: str) -> Path:
        """Write both files into `folder`, named by the time, and return the JSON's path."""
        failures = [
            {"workload": workload, "participant": participant, "reason": reason}
            for (workload, participant), reason in results.failures.items()
        ]
        samples = [asdict(sample) for sample in results.samples]
        record = {**asdict(self), "samples": samples, "failures": failures}
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / time.strftime("%Y-%m-%dT%H-%M-%SZ.json", time.gmtime())
        path.write_text(json.dumps(record, indent=1) + "\n")
        path.with_suffix(".md").write_text(tables)
        return path


def load(path: Path) -> tuple[Run, Results]:
    """What `save` has written."""
    record: dict[str, Any] = json.loads(path.read_text())
    run = Run(**{field.name: record[field.name] for field in fields(Run)})
    samples = [Sample(**sample) for sample in record["samples"]]
    failures = {(each["workload"], each["participant"]): each["reason"] for each in record["failures"]}
    return run, Results(samples, failures)


def join(records: Sequence[tuple[Run, Results]]) -> Results:
    """All of them: a workload that was measured again takes the place of the earlier one, whole."""
    joined = Results()
    for _, results in records:
        again = {sample.workload for sample in results.samples} | {name for name, _ in results.failures}
        joined.samples = [sample for sample in joined.samples if sample.workload not in again]
        joined.samples += results.samples
        joined.failures = {key: why for key, why in joined.failures.items() if key[0] not in again}
        joined.failures |= results.failures
    return joined


def latest(folder: Path, scale: float) -> Results:
    """Of the newest record in `folder` with these counts; nothing if there is none that can be read."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        try:
            run, results = load(path)
        except (KeyError, TypeError, ValueError):
            continue
        if run.scale == scale:
            return results
    return Results()


def build() -> str:
    """How this Python was built, as far as it says so: `a shared library, gcc 14, no PGO or LTO named`."""
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    flags = " ".join(
        sysconfig.get_config_var(name) or "" for name in ("PY_CORE_CFLAGS", "PY_CORE_LDFLAGS", "CONFIG_ARGS")
    )
    named = [
        *(["PGO"] if "--enable-optimizations" in arguments or "-fprofile-use" in flags else []),
        *(["LTO"] if "--with-lto" in arguments or "-flto" in flags else []),
    ]
    parts = [
        "libpython shared" if is_loaded("libpython") else "libpython inside",
        platform.python_compiler(),
        " and ".join(named) or "built without PGO and LTO, or silent about them",
        *(["debug"] if sysconfig.get_config_var("Py_DEBUG") else []),
        *(["free-threaded"] if sysconfig.get_config_var("Py_GIL_DISABLED") else []),
    ]
    return ", ".join(parts)


def processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def _versions(names: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for name in names:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
