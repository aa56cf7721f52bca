"""The demo as a newcomer meets it: a real process that is told to stop while it trains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from p2phd_eval.generators.training.run_log import read_log


@pytest.mark.usefixtures("inception_weights")
def test_the_demo_stops_on_sigterm_and_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "p2phd_eval", "demo", "--out", str(tmp_path / "demo"), "--device", "cpu"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    run = tmp_path / "demo" / "runs" / "fp32-s0"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not read_log(run / "log.jsonl"):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Go on with the same command" in stderr, stderr
    assert "A CPU shows the quality of reduced precision" in stderr
    assert (run / "checkpoints" / "latest.pt").exists()
    assert not (run / "outcome.json").exists()  # it has not ended
