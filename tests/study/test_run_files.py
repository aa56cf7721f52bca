"""What an artefact of a run is made from."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from p2phd_eval.report.documents.arm_documents import CommandArm
from p2phd_eval.study.artefacts import Artefact
from p2phd_eval.study.run_files import below, images_inputs, samples_folder, stage_inputs, stored_at, train_inputs
from p2phd_eval.study.study_plan import StudyPlan

ARM = CommandArm(
    train=("{python}", "train.py", "{run}"),
    generate=("{python}", "sample.py", "{out}"),
    folder="/",
    inputs={"train.py": "1", "sample.py": "2", "unet.py": "3"},
)
TRAINED = Artefact(inputs={}, sha256="w", seconds=1.0)


def plan(arm: CommandArm) -> StudyPlan:
    return StudyPlan(
        data="real", data_sha256="0", base=None, arms=("a", "b"), seeds=(0, 1), made_by={"a": arm, "b": ARM}
    )


def made_from(arm: CommandArm, name: str = "a-s0") -> tuple[dict[str, str], dict[str, str]]:
    study = plan(arm)
    run = study.run(name)
    return train_inputs(study, run), images_inputs(study, run, TRAINED)


def test_a_script_is_an_input_of_its_own_command() -> None:
    """A training of hours is not made again because a line of what samples from it was changed."""
    assert stage_inputs(ARM, "train") == {"train.py": "1", "unet.py": "3"}
    assert stage_inputs(ARM, "generate") == {"sample.py": "2", "unet.py": "3"}


@pytest.mark.parametrize(
    ("changes", "train", "generate"),
    [
        ({"inputs": {**ARM.inputs, "sample.py": "x"}}, False, True),
        ({"inputs": {**ARM.inputs, "train.py": "x"}}, True, False),
        ({"inputs": {**ARM.inputs, "unet.py": "x"}}, True, True),
        ({"generate": (*ARM.generate, "--steps", "9")}, False, True),
        ({"train": (*ARM.train, "--steps", "9")}, True, False),
        ({"environment": {"A": "1"}}, True, True),
        ({"images": "{out}/results"}, False, True),
        # How long a command may take, and what the arm is for, make no image another one.
        ({"timeout_s": 9.0, "benign": True, "folder": "/elsewhere"}, False, False),
    ],
)
def test_what_makes_an_artefact_another_one(changes: dict[str, object], train: bool, generate: bool) -> None:
    values = {name: getattr(ARM, name) for name in ARM.__struct_fields__}
    before, after = made_from(ARM), made_from(CommandArm(**{**values, **changes}))  # type: ignore[arg-type]
    assert (before[0] != after[0], before[1] != after[1]) == (train, generate)


def test_seeds_and_repeats_are_others() -> None:
    assert len({tuple(made_from(ARM, name)[1].values()) for name in ("a-s0", "a-s1", "a-s0-repeat")}) == 3


def test_paths_below_a_study_are_relative_to_it(tmp_path: Path) -> None:
    assert below(tmp_path, tmp_path / "runs" / "a") == "runs/a"
    assert below(tmp_path / "study", tmp_path / "images") == str(tmp_path / "images")
    (tmp_path / "results").mkdir()
    assert stored_at(Path(f"{tmp_path}/results::fake_B")) == tmp_path / "results"


def test_images_below_out_are_the_study_s_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The arms file may lie elsewhere than where the study was begun, and its study be moved."""
    monkeypatch.chdir(tmp_path)
    found = {}
    for images in ("{out}/results/images::fake", "theirs/{seed}"):
        run = plan(msgspec.structs.replace(ARM, images=images, folder="/code")).run("a-s1")
        found[images] = [samples_folder(study, run, "own") for study in (Path("study"), tmp_path / "study")]
    below_out = "runs/a-s1/samples/own/results/images::fake"
    assert found == {
        "{out}/results/images::fake": [Path("study", below_out), tmp_path / "study" / below_out],
        "theirs/{seed}": [Path("/code/theirs/1"), Path("/code/theirs/1")],
    }
    assert below(Path("study"), Path("study", below_out)) == below_out
