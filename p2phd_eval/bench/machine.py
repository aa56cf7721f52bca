"""What a time depends on beside the code."""

import os
import platform
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import torch

from p2phd_eval.devices import describe_device
from p2phd_eval.versions import versions


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a time was measured on; None for what is not there."""

    date: str  # UTC
    device: str
    processor: str
    cores: int | None
    threads: int
    load: float | None  # processes that wanted a core, last minute
    gomp_spincount: str | None  # the environment's GOMP_SPINCOUNT
    versions: dict[str, str | None]


def describe_machine(device: torch.device) -> Machine:
    """Return the machine as it is now."""
    on_cuda = device.type == "cuda"
    return Machine(
        date=datetime.now(timezone.utc).date().isoformat(),
        device=describe_device(device),
        processor=_processor(),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        gomp_spincount=os.environ.get("GOMP_SPINCOUNT"),
        versions={
            **versions(),
            "cuda": torch.version.cuda if on_cuda else None,
            "cudnn": str(torch.backends.cudnn.version()) if on_cuda else None,  # type: ignore[no-untyped-call]
        },
    )


def _processor() -> str:
    # Linux's platform.processor() names the instruction set only.
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
