"""What the benchmarks of the FID engine share: which machine it was, and how times are taken."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from p2phd_eval.files import write_json

PACKAGES = ("numpy", "scipy", "torch", "pillow", "pytorch-fid", "torch-fidelity", "clean-fid", "torchmetrics")


def today() -> str:
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


def describe_machine() -> dict[str, Any]:
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": versions,
    }


def kept(file: Path, compute: Callable[[], Any]) -> Any:
    """Return the JSON of a file, which is made unless it is there: what is cut off goes on when it is called again."""
    if not file.exists():
        write_json(file, compute())
    return json.loads(file.read_text())


def seconds(call: Callable[[], object], repeats: int) -> float:
    """The shortest of some runs: the one that other processes disturbed least."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def command_seconds(command: Sequence[str], environment: dict[str, str]) -> tuple[float, str]:
    """Run a command of this Python to its end; return its time from start to exit, and what it printed."""
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    elapsed = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{process.stderr}")
    return elapsed, process.stdout
