"""The plan that options make, and what it takes."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.presets import configure
from p2phd_eval.study.artefacts import save_data
from p2phd_eval.study.plan_study import forecast_study, plan_study
from p2phd_eval.study.study_plan import load_plan, save_plan
from p2phd_eval.study.study_request import StudyRequest

SETTINGS = {"load_size": 64, "ngf": 4, "n_blocks": 1, "ndf": 4, "n_layers_d": 2, "epochs": 1, "epochs_decay": 1}
SMALL = StudyRequest(preset="demo", settings=SETTINGS)


def test_options_may_be_python_values(study_data: Path, tmp_path: Path) -> None:
    request = dataclasses.replace(SMALL, arms=["fp32", "bf16"], seeds=[3, 5], repeat=False)
    plan = plan_study(study_data, tmp_path, request, device="cpu")
    assert [run.name for run in plan.runs] == ["fp32-s3", "bf16-s3", "fp32-s5", "bf16-s5"]
    config = configure(study_data, "demo", **SETTINGS)
    assert plan.base == config
    assert plan_study(study_data, tmp_path, StudyRequest(preset=config), device="cpu").base == config
    assert not list(tmp_path.iterdir())


def test_what_is_left_out_is_fp32_and_amp_from_three_seeds(study_data: Path, tmp_path: Path) -> None:
    plan = plan_study(study_data, tmp_path, SMALL, device="cpu")
    assert (plan.arms, plan.seeds, plan.repeat, plan.confidence) == (("fp32", "amp-bf16"), (0, 1, 2), True, 0.95)


def test_one_arm_is_enough_for_ways_of_generation_alone(study_data: Path, tmp_path: Path) -> None:
    one = dataclasses.replace(SMALL, arms="fp32")
    plan = plan_study(study_data, tmp_path, dataclasses.replace(one, generation="onnx-int8"), device="cpu")
    assert {run.sampling for run in plan.runs if not run.repeat} == {("fp32", "onnx-int8")}
    save_plan(tmp_path, plan)
    assert load_plan(tmp_path) == plan
    with pytest.raises(InputError, match="--arms: expected a baseline and one candidate or more, found fp32"):
        plan_study(study_data, tmp_path / "other", one, device="cpu")


def test_a_study_that_goes_on_takes_no_preset(study_data: Path, tmp_path: Path) -> None:
    save_plan(tmp_path, plan_study(study_data, request=SMALL, device="cpu"))
    with pytest.raises(InputError, match="--preset: expected DATA before it"):
        plan_study(None, tmp_path, StudyRequest(preset="1024p"), device="cpu")


def test_data_that_were_edited_are_named_and_the_way_out_is_one(study_data: Path, tmp_path: Path) -> None:
    data, study = Path(shutil.copytree(study_data, tmp_path / "data")), tmp_path / "study"
    files: dict[str, str] = {}
    save_plan(study, plan_study(data, study, SMALL, device="cpu", on_data=files.update))
    photo = min((data / "test_img").iterdir())
    before = photo.read_bytes()
    photo.write_bytes(before + b" ")
    with pytest.raises(InputError, match=f"found others; last changed was test_img/{photo.name}"):
        plan_study(out=study, device="cpu")  # of a version that kept no list
    save_data(study, files)
    with pytest.raises(InputError, match=rf"found 1 changed \(test_img/{photo.name}\).*\nRestore them.*another --out"):
        plan_study(out=study, device="cpu")
    with pytest.raises(InputError, match=r"found those of .*: 1 changed"):
        plan_study(Path(shutil.copytree(data, tmp_path / "other")), study, SMALL, device="cpu")
    photo.write_bytes(before)
    assert plan_study(out=study, device="cpu") == load_plan(study)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"judge": "kid", "margin": 2}, r"--margin: expected a difference of KIDs.*--judge kid"),
        ({"judge": "block-fid"}, "--judge block-fid: expected more than 32 training photos.*found 6"),
        ({"judge": "fid-infinity"}, "--judge: expected fid-at-n"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_the_training(
    study_data: Path, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        plan_study(study_data, tmp_path, dataclasses.replace(SMALL, **options), device="cpu")


@pytest.mark.parametrize("seeds", ["x", [-1, 0]])
def test_seeds_that_are_no_numbers(study_data: Path, tmp_path: Path, seeds: Any) -> None:
    with pytest.raises(InputError, match="--seeds: expected a number of seeds, or numbers from 0 on"):
        plan_study(study_data, tmp_path, dataclasses.replace(SMALL, seeds=seeds), device="cpu")


@pytest.mark.parametrize("seeds", [0, [], [1, 1]])
def test_seeds_that_make_no_study(study_data: Path, tmp_path: Path, seeds: Any) -> None:
    with pytest.raises(InputError, match="--seeds: expected at least one seed, each once"):
        plan_study(study_data, tmp_path, dataclasses.replace(SMALL, seeds=seeds), device="cpu")


@pytest.mark.usefixtures("inception_weights")
def test_a_forecast_times_each_arm_alone_and_writes_nothing(study_data: Path, tmp_path: Path) -> None:
    request = dataclasses.replace(SMALL, arms="fp32,amp-bf16", seeds=2)
    plan = plan_study(study_data, tmp_path, request, device="cpu")
    notes: list[str] = []
    forecast = forecast_study(plan, tmp_path, device="cpu", note=notes.append)
    assert "timed, in 2 measurements" in notes[-1]
    assert [run.name for run in forecast.left] == [run.name for run in plan.runs]
    effort = forecast.effort
    assert (effort.steps, forecast.devices) == (12, ("cpu",))
    assert effort.seconds["training"] == pytest.approx(3 * effort.train["fp32"] + 2 * effort.train["amp-bf16"])
    assert all(effort.seconds[stage] > 0 for stage in ("generation", "features", "starting", "comparison and report"))
    assert forecast.total_seconds == pytest.approx(sum(effort.seconds.values()))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("inception_weights")
@pytest.mark.parametrize(
    ("seeds", "margin", "said"), [(1, None, True), (2, "seeds", True), (2, "2%", False), (3, None, False)]
)
def test_a_margin_from_few_seeds_is_said_beforehand_to_show_nothing(
    finished_study: Path, tmp_path: Path, seeds: int, margin: str | None, said: bool
) -> None:
    plan = dataclasses.replace(load_plan(finished_study), seeds=tuple(range(seeds)), margin=margin)
    for folder in ("analysis", "records"):  # what was timed before
        shutil.copytree(finished_study / folder, tmp_path / folder)
    notes: list[str] = []
    forecast_study(plan, tmp_path, device="cpu", note=notes.append)
    assert any("no arm can come out as within the error range" in text for text in notes) == said


@pytest.mark.usefixtures("inception_weights")
def test_a_measurement_that_is_there_is_used_again(finished_study: Path) -> None:
    notes: list[str] = []
    plan = plan_study(None, finished_study, StudyRequest(seeds=3))
    forecast = forecast_study(plan, finished_study, device="cpu", note=notes.append)
    assert len(forecast.plan.runs) == 7
    assert not [text for text in notes if "measurements" in text]
