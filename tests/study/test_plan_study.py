"""The plan that options make, and what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.presets import configure
from p2phd_eval.study.plan_study import forecast_study, plan_study
from p2phd_eval.study.study_plan import save_plan

SMALL: dict[str, Any] = {
    **{"preset": "demo", "load_size": 64, "ngf": 4, "n_blocks": 1, "ndf": 4, "n_layers_d": 2},
    **{"epochs": 1, "epochs_decay": 1},
}


def test_options_may_be_python_values(study_data: Path, tmp_path: Path) -> None:
    plan = plan_study(study_data, tmp_path, arms=["fp32", "bf16"], seeds=[3, 5], repeat=False, device="cpu", **SMALL)
    assert [run.name for run in plan.runs] == ["fp32-s3", "bf16-s3", "fp32-s5", "bf16-s5"]
    options = {name: value for name, value in SMALL.items() if name != "preset"}
    config = configure(study_data, "demo", **options)
    assert plan.base == config
    assert plan_study(study_data, tmp_path, preset=config, device="cpu").base == config
    assert not list(tmp_path.iterdir())


def test_what_is_left_out_is_fp32_and_amp_from_three_seeds(study_data: Path, tmp_path: Path) -> None:
    plan = plan_study(study_data, tmp_path, device="cpu", **SMALL)
    assert (plan.arms, plan.seeds, plan.repeat, plan.confidence) == (("fp32", "amp-bf16"), (0, 1, 2), True, 0.95)


def test_a_study_that_goes_on_takes_no_preset(study_data: Path, tmp_path: Path) -> None:
    save_plan(tmp_path, plan_study(study_data, device="cpu", **SMALL))
    with pytest.raises(InputError, match="--preset: expected DATA before it"):
        plan_study(out=tmp_path, preset="1024p", device="cpu")


@pytest.mark.parametrize("seeds", ["x", [-1, 0]])
def test_seeds_that_are_no_numbers(study_data: Path, tmp_path: Path, seeds: Any) -> None:
    with pytest.raises(InputError, match="--seeds: expected a number of seeds, or numbers from 0 on"):
        plan_study(study_data, tmp_path, seeds=seeds, device="cpu", **SMALL)


@pytest.mark.parametrize("seeds", [0, [], [1, 1]])
def test_seeds_that_make_no_study(study_data: Path, tmp_path: Path, seeds: Any) -> None:
    with pytest.raises(InputError, match="--seeds: expected at least one seed, each once"):
        plan_study(study_data, tmp_path, seeds=seeds, device="cpu", **SMALL)


@pytest.mark.usefixtures("inception_weights")
def test_a_forecast_times_each_arm_alone_and_writes_nothing(study_data: Path, tmp_path: Path) -> None:
    plan = plan_study(study_data, tmp_path, arms="fp32,amp-bf16", seeds=2, device="cpu", **SMALL)
    notes: list[str] = []
    forecast = forecast_study(plan, tmp_path, device="cpu", note=notes.append)
    assert "timed, in 2 measurements" in notes[-1]
    assert (forecast.effort.steps, forecast.devices) == (12, ("cpu",))
    assert forecast.total_seconds == pytest.approx(
        3 * forecast.effort.seconds["fp32"] + 2 * forecast.effort.seconds["amp-bf16"]
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("inception_weights")
def test_a_measurement_that_is_there_is_used_again(finished_study: Path) -> None:
    notes: list[str] = []
    forecast = forecast_study(plan_study(out=finished_study, seeds=3), finished_study, device="cpu", note=notes.append)
    assert len(forecast.plan.runs) == 7
    assert not [text for text in notes if "measurements" in text]
