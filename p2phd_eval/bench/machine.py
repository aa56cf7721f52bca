"""What a time depends on beside the code."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from p2phd_eval.devices import describe_device
from p2phd_eval.versions import versions


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return date (UTC), device, processor, threads, load and versions as JSON values; None for what is not there."""
    on_cuda = device.type == "cuda"
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "device": describe_device(device),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,  # processes that wanted a core, last minute
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT"),
        "versions": {
            **versions(),
            "cuda": torch.version.cuda if on_cuda else None,
            "cudnn": str(torch.backends.cudnn.version()) if on_cuda else None,  # type: ignore[no-untyped-call]
        },
    }


def _processor() -> str:
    # Linux's platform.processor() names the instruction set only.
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
