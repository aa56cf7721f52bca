"""Waiting for what another process does."""

from __future__ import annotations

import time
from pathlib import Path


def wait_for(path: Path) -> None:
    """Return when a file is there; fail after a minute."""
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)
