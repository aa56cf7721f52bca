"""Which runs pair, and what each that does not is told."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from p2phd_eval.config import FeatureConfig
from p2phd_eval.editing.edits import StyleEdit
from p2phd_eval.editing.paired_runs import open_arms, recipe_notes
from p2phd_eval.editing.script import EditScript, read_script
from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.arms import ArmFolders
from tests.editing.trained_arms import TINY, train_run

Arms = tuple[ArmFolders, ArmFolders]


@pytest.fixture(scope="module")
def script(edited_scenes: Path) -> EditScript:
    return read_script(edited_scenes / "edits.json")


def arm(name: str, *folders: Path) -> ArmFolders:
    return ArmFolders(name=name, folders=folders)


def test_runs_stand_in_the_order_of_their_seeds(edited_scenes: Path, trained_arms: Arms, script: EditScript) -> None:
    backwards = [arm(each.name, *each.folders[::-1]) for each in trained_arms]
    found = open_arms(backwards, edited_scenes / "data", script)
    assert [each.seeds for each in found] == [(1, 2, 3), (1, 2, 3)]
    assert recipe_notes(found) == []


@pytest.mark.parametrize(
    ("baseline", "candidate", "message"),
    [
        ((0, 1), (2,), "no common seed: 1, 2 of fp32 and 3 of amp-bf16"),
        ((0, 1), (1, 2), "Leave out the runs of seed 1, 3"),
    ],
)
def test_seeds_that_do_not_pair_are_named(
    edited_scenes: Path,
    trained_arms: Arms,
    script: EditScript,
    baseline: tuple[int, ...],
    candidate: tuple[int, ...],
    message: str,
) -> None:
    arms = [
        arm(each.name, *(each.folders[k] for k in chosen))
        for each, chosen in zip(trained_arms, (baseline, candidate), strict=True)
    ]
    with pytest.raises(InputError, match=message):
        open_arms(arms, edited_scenes / "data", script)


def test_one_seed_twice_and_one_checkpoint_in_both_arms_are_named(
    edited_scenes: Path, trained_arms: Arms, script: EditScript, tmp_path: Path
) -> None:
    run = trained_arms[0].folders[0]
    copy = shutil.copytree(run, tmp_path / "copy")
    with pytest.raises(InputError, match="seed 1 in both"):
        open_arms([arm("fp32", run, copy), trained_arms[1]], edited_scenes / "data", script)
    with pytest.raises(InputError, match="another checkpoint than"):
        open_arms([arm("fp32", run), arm("amp", copy)], edited_scenes / "data", script)


def test_runs_without_clusters_of_their_own_are_refused(
    edited_scenes: Path, trained_arms: Arms, script: EditScript, tmp_path: Path
) -> None:
    copy = shutil.copytree(trained_arms[1].folders[0], tmp_path / "copy")
    (copy / "clusters.npz").unlink()
    with pytest.raises(InputError, match="encode cluster"):
        open_arms([arm("fp32", trained_arms[0].folders[0]), arm("amp", copy)], edited_scenes / "data", script)


def test_runs_without_encoder_take_scripts_without_styles_alone(
    edited_scenes: Path, trained_arms: Arms, script: EditScript, tmp_path: Path
) -> None:
    plain = train_run(
        replace(TINY, features=FeatureConfig(), seed=1, precision="amp-bf16"), edited_scenes / "data", tmp_path / "run"
    )
    arms = [arm("fp32", trained_arms[0].folders[0]), arm("amp", plain)]
    styled = next(k for k, edit in enumerate(script.edits, start=1) if isinstance(edit, StyleEdit))
    with pytest.raises(InputError, match=f"since edit {styled} of the script sets a style"):
        open_arms(arms, edited_scenes / "data", script)
    without = EditScript(
        data_sha256=script.data_sha256,
        phase=script.phase,
        label_nc=script.label_nc,
        instances=script.instances,
        features=script.features,
        edits=tuple(
            edit for edit in script.edits if getattr(edit, "style", None) is None and not isinstance(edit, StyleEdit)
        ),
    )
    assert len(open_arms(arms, edited_scenes / "data", without)) == 2


def test_runs_of_other_classes_and_other_sizes_are_refused(
    edited_scenes: Path, trained_arms: Arms, script: EditScript, tmp_path: Path
) -> None:
    smaller = train_run(
        replace(TINY, data=replace(TINY.data, load_size=64), seed=1, precision="amp-bf16"),
        edited_scenes / "data",
        tmp_path / "smaller",
    )
    with pytest.raises(InputError, match="samples of the size"):
        open_arms([arm("fp32", trained_arms[0].folders[0]), arm("amp", smaller)], edited_scenes / "data", script)
    more = train_run(
        replace(TINY, data=replace(TINY.data, label_nc=TINY.data.label_nc + 1), seed=1, precision="amp-bf16"),
        edited_scenes / "data",
        tmp_path / "more",
    )
    with pytest.raises(
        InputError, match=rf"whose classes are those of the script(.|\n)*--label-nc {TINY.data.label_nc + 1} "
    ):
        open_arms([arm("fp32", trained_arms[0].folders[0]), arm("amp", more)], edited_scenes / "data", script)
