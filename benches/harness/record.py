"""The record of a run: where and with what it was measured, every sample as JSON, and the tables."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .rounds import Results
from .tls import OPENSSL


@dataclass(frozen=True)
class Run:
    """`loops` is loop to version; `scale` what the counts were multiplied by; `seconds` how long it took."""

    loops: dict[str, str]
    rounds: int
    scale: float
    seconds: float

    def heading(self) -> str:
        loops = ", ".join(f"{name} {version}" for name, version in self.loops.items() if name != "asyncio")
        scale = "" if self.scale == 1 else f", counts x {self.scale}: a smoke test, not a measurement"
        return (
            f"Python {platform.python_version()}, {OPENSSL}, {loops or 'asyncio only'}; "
            f"Linux {platform.release()}, {processor()}; {self.rounds} rounds{scale}.\n"
            "A cell is the median of the rounds' ratios to the first column (smallest to largest).\n\n"
        )

    def save(self, folder: Path, results: Results, tables: str) -> Path:
        """Write both files into `folder`, named by the time, and return the JSON's path."""
        record = {
            **asdict(self),
            "python": platform.python_version(),
            "openssl": OPENSSL,
            "kernel": platform.release(),
            "processor": processor(),
            "load_average": os.getloadavg(),
            "samples": [asdict(sample) for sample in results.samples],
            "failures": [
                {"workload": workload, "participant": participant, "reason": reason}
                for (workload, participant), reason in results.failures.items()
            ],
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / time.strftime("%Y-%m-%dT%H-%M-%SZ.json", time.gmtime())
        path.write_text(json.dumps(record, indent=1) + "\n")
        path.with_suffix(".md").write_text(tables)
        return path


def processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{len(names)} x {names[0]}" if names else platform.machine()
