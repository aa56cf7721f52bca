"""How often a setting is timed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from p2phd_eval.bench.clock import Timing, time_settings
from p2phd_eval.bench.speed import settings
from p2phd_eval.presets import configure


@pytest.mark.parametrize(("enough_seconds", "steps"), [(60.0, 3), (0.0, 1)])
def test_a_start_that_takes_long_times_one_step(study_data: Path, enough_seconds: float, steps: int) -> None:
    config = configure(study_data, "demo", load_size=64, ngf=4, n_blocks=1, ndf=4, n_layers_d=2)
    rows = settings(["fp32"], (1,), (), against=False)
    timing = Timing(warm_up=2, steps=3, repeats=1)
    result = time_settings(
        config, study_data, rows, device=torch.device("cpu"), timing=timing, enough_seconds=enough_seconds
    )
    (row,) = result.measurements
    assert len(row.seconds) == len(row.waited) == steps
