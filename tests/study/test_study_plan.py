"""What a study plans, and how it goes on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.report.documents.arm_documents import ArmKind, CommandArm, PrecisionArm
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.study.study_plan import StudyPlan, continue_plan, load_plan, parse_arms, parse_generation, save_plan


def plan(**changes: object) -> StudyPlan:
    values = {
        "data": "data",
        "data_sha256": "0" * 64,
        "base": TrainConfig(),
        "arms": ("fp32", "amp-fp16", "amp-bf16"),
        "seeds": (0, 1),
    }
    return StudyPlan(**{**values, **changes})  # type: ignore[arg-type]


def test_every_arm_is_trained_from_every_seed_and_the_first_twice() -> None:
    runs = plan().runs
    assert [run.name for run in runs[:3]] == ["fp32-s0", "amp-fp16-s0", "amp-bf16-s0"]
    assert len(runs) == 3 * 2 + 1
    assert len({run.name for run in runs}) == len(runs)
    repeat = runs[-1]
    assert (repeat.arm, repeat.seed, repeat.repeat) == ("fp32", 0, True)
    assert not any(run.repeat for run in runs[:-1])
    assert not any(run.repeat for run in plan(repeat=False).runs)


def test_each_checkpoint_generates_in_both_precisions() -> None:
    sampling = {run.arm: run.sampling for run in plan(repeat=False).runs}
    assert sampling == {
        "fp32": ("fp32", "amp-fp16"),  # that of the first reduced arm
        "amp-fp16": ("fp32", "amp-fp16"),
        "amp-bf16": ("fp32", "amp-bf16"),
    }
    assert plan().runs[-1].sampling == ("fp32",)
    apex = {run.arm: run.sampling[1] for run in plan(arms=("fp32", "apex-O2", "apex-O1")).runs[:3]}
    assert apex == {"fp32": "fp16", "apex-O2": "fp16", "apex-O1": "amp-fp16"}  # apex itself cannot generate


def test_the_baseline_generates_in_what_was_asked_for() -> None:
    asked = plan(generation=parse_generation("amp-fp16, amp-fp8"), repeat=False)
    assert {run.arm: run.sampling for run in asked.runs} == {
        "fp32": ("fp32", "amp-fp16", "amp-fp8"),
        "amp-fp16": ("fp32",),
        "amp-bf16": ("fp32",),
    }


@pytest.mark.parametrize("text", ["", "fp32", "fp7", "apex-O1", "amp-fp16,amp-fp16"])
def test_precisions_that_nothing_generates_in_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--generation: expected some of .*amp-fp16.*, each once"):
        parse_generation(text)


def test_the_runs_differ_in_precision_and_seed_alone() -> None:
    study = plan()
    for run in study.runs:
        config = study.config(run)
        assert (config.precision, config.seed) == (run.precision, run.seed)
        assert dataclasses.replace(config, precision="fp32", seed=0) == study.base
    recipes = [json.dumps(study.recipe(run), sort_keys=True) for run in study.runs]
    assert len(set(recipes)) == len(recipes)


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    before = plan(judge=Estimand.KID_RQ, margin="2%", cluster_by="cityscapes-city", generation=("amp-fp8",))
    save_plan(tmp_path, before)
    assert load_plan(tmp_path) == before
    save_plan(tmp_path, plan(arms=("fp32", "fp8")))
    with pytest.raises(InputError, match=r"study.json, arms: expected precisions of .*found 'fp8'"):
        load_plan(tmp_path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fp32,fp23", "'fp23'"),
        ("fp32,fp32", "fp32 2 times"),
        ("", "''"),
        ("fp32,", "''"),
        ("amp,amp", "amp-bf16 2 times"),
    ],
)
def test_arms_that_make_no_study(text: str, found: str) -> None:
    with pytest.raises(InputError, match="--arms") as error:
        parse_arms(text, "amp-bf16")
    assert found in str(error.value)


@pytest.mark.parametrize("text", ["amp", "fp32,amp", "fp32, amp-fp16"])
def test_amp_is_what_training_with_amp_is(text: str) -> None:
    assert parse_arms(text, "amp-fp16") == ("fp32", "amp-fp16")


def test_more_arms_and_seeds_go_on_with_a_study() -> None:
    continue_plan(plan(), plan(seeds=(0, 1, 2)), "study")
    continue_plan(plan(arms=("fp32", "amp-bf16")), plan(arms=("fp32", "amp-bf16", "bf16")), "study")
    continue_plan(plan(), plan(judge=Estimand.KID, margin="1%"), "study")
    # How steps are computed and how often they are written is no part of the recipe.
    continue_plan(plan(), plan(base=TrainConfig(log_every=1, checkpoint_every=7)), "study")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"base": TrainConfig(epochs=3)}, "config key 'epochs'"),
        (
            {"base": dataclasses.replace(TrainConfig(), generator=dataclasses.replace(TrainConfig().generator, ngf=8))},
            "config key 'generator.ngf'",
        ),
        ({"data_sha256": "1" * 64}, "data"),
        ({"seeds": (0,)}, "--seeds"),
        ({"arms": ("amp-fp16", "fp32", "amp-bf16")}, "--arms"),
        ({"arms": ("fp32", "amp-fp16")}, "--arms"),
    ],
)
def test_another_study_does_not_go_on_with_this_one(changes: dict[str, object], where: str) -> None:
    with pytest.raises(InputError) as error:
        continue_plan(plan(), plan(**changes), "study")
    assert error.value.where == f"study, {where}"


def test_a_plan_of_the_version_before_goes_on(tmp_path: Path) -> None:
    """What it trained is not lost: then there was one thing to judge."""
    save_plan(tmp_path, plan())
    path = tmp_path / "study.json"
    stored = json.loads(path.read_text())
    assert stored.pop("judge") == "fid-at-n"
    path.write_text(json.dumps({**stored, "schema_version": 2}))
    assert load_plan(tmp_path) == plan()


def test_no_plan_or_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"study folder.*none in it"):
        load_plan(tmp_path)
    save_plan(tmp_path, plan())
    path = tmp_path / "study.json"
    stored = json.loads(path.read_text())
    del stored["arms"]
    path.write_text(json.dumps(stored))
    with pytest.raises(InputError, match="expected the key 'arms'"):
        load_plan(tmp_path)
    path.write_text(json.dumps({**stored, "schema_version": 1}))
    with pytest.raises(InputError, match="version"):
        load_plan(tmp_path)


# --- Arms of an arms file

TRAINED = CommandArm(train=("t", "{run}"), generate=("g", "{run}", "{out}"), folder="/")
SHARING = CommandArm(run_of="base", generate=("g", "--int8", "{run}", "{out}"), folder="/")
BENIGN = CommandArm(run_of="base", generate=("g", "{run}", "{out}"), folder="/", benign=True)
GIVEN = CommandArm(images="there/{seed}", folder="/")
MADE = CommandArm(generate=("g", "{out}"), folder="/")


def of_commands(config: TrainConfig | None = None, /, **arms: ArmKind) -> StudyPlan:
    return StudyPlan(data="real", data_sha256="0", base=config, arms=tuple(arms), seeds=(0, 1), made_by=arms)


def test_runs_of_commands_name_the_training_that_they_share() -> None:
    plan = of_commands(base=TRAINED, int8=SHARING, same=BENIGN, other=TRAINED, theirs=GIVEN)
    runs = {run.name: run for run in plan.runs}
    assert [name for name in runs if name.endswith("-s1")] == [f"{arm}-s1" for arm in plan.arms]
    assert {name: run.trained_by for name, run in runs.items() if run.seed == 0} == {
        "base-s0": "base-s0",
        "int8-s0": "base-s0",
        "same-s0": "base-s0",
        "other-s0": "other-s0",
        "theirs-s0": None,
        "base-s0-repeat": "base-s0-repeat",
    }
    assert {run.sampling for run in runs.values()} == {("own",)}
    assert (plan.benign, plan.retrained) == (("same",), ("other", "theirs"))


def test_without_trainings_all_arms_have_the_same_weights_but_images_that_were_there() -> None:
    plan = of_commands(base=MADE, other=MADE, theirs=GIVEN)
    assert plan.retrained == ("theirs",)
    assert [run.name for run in plan.runs][-1] == "base-s0-repeat"
    given = of_commands(base=GIVEN, other=GIVEN)
    # What is there already cannot be made a second time.
    assert not any(run.repeat for run in given.runs)
    assert given.retrained == ("other",)


def test_precisions_of_an_arms_file_are_trained_beside_commands() -> None:
    ours = {"full": PrecisionArm(precision="fp32"), "half": PrecisionArm(precision="amp-bf16")}
    plan = of_commands(TrainConfig(), **ours, theirs=MADE)
    runs = {run.name: run for run in plan.runs}
    assert plan.precisions == {"full": "fp32", "half": "amp-bf16"}
    assert runs["half-s1"].precision == "amp-bf16"
    assert plan.config(runs["half-s1"]).precision == "amp-bf16"
    assert runs["half-s1"].sampling == ("fp32", "amp-bf16")
    assert (runs["theirs-s1"].precision, runs["theirs-s1"].sampling) == (None, ("own",))


def test_a_plan_of_commands_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = of_commands(base=TRAINED, int8=SHARING, theirs=GIVEN)
    save_plan(tmp_path, plan)
    assert load_plan(tmp_path) == plan
    values = json.loads((tmp_path / "study.json").read_text())
    values["made_by"]["base"] = {"kind": "precision", "precision": "fp32"}
    (tmp_path / "study.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="base: expected a configuration, found none, and arms that are trained: base"):
        load_plan(tmp_path)
