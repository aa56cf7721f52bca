"""Runs whose images cannot be compared with the baseline's have failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.report.documents.arm_documents import CommandArm
from p2phd_eval.study.alike import require_alike
from p2phd_eval.study.outcome import Outcome, load_outcome
from p2phd_eval.study.run_files import features_path, run_folder
from p2phd_eval.study.study_plan import StudyPlan
from tests.features.feature_sets import feature_set

DONE = Outcome(status="finished")
ARM = CommandArm(generate=("sample", "{out}", "{seed}"), folder="/")
PLAN = StudyPlan(
    data="d", data_sha256="0", base=None, arms=("a", "b"), seeds=(0,), made_by={"a": ARM, "b": ARM}, repeat=False
)
IDS = tuple("pqrs")


@pytest.mark.parametrize(
    ("ids", "sizes", "why"),
    [
        (IDS, {}, None),
        (IDS[::-1], {"p": (8, 4)}, None),  # in another order
        (IDS[:3], {}, "1 of the 4 images of a-s0 are missing, such as 's'"),
        ((*IDS[:3], "t"), {}, "1 of the 4 images of a-s0 are missing, such as 's', and 1 are others, such as 't'"),
        ((*IDS, "t"), {}, "1 images are none of a-s0, such as 't'"),
        (IDS, {"q": (4, 2)}, "1 of 4 images have another size than those of a-s0: q is 4 x 2, there 8 x 4"),
    ],
)
def test_names_and_sizes_are_the_baselines(
    ids: tuple[str, ...], sizes: dict[str, tuple[int, int]], why: str | None, tmp_path: Path
) -> None:
    for run, own, of in zip(PLAN.runs, (IDS, ids), ({}, sizes), strict=True):
        run_folder(tmp_path, run).mkdir(parents=True)
        path = features_path(tmp_path, run, "own")
        path.parent.mkdir(exist_ok=True)
        save(path, own, of)
    said = list[str]()
    found = require_alike(tmp_path, PLAN, dict.fromkeys(("a-s0", "b-s0"), DONE), said.append)
    assert found["a-s0"] == DONE
    assert found["b-s0"].why == why
    assert said == ([] if why is None else [f"b-s0: {why}. It counts as failed."])
    assert load_outcome(run_folder(tmp_path, PLAN.run("b-s0"))) == (None if why is None else found["b-s0"])


def save(path: Path, ids: tuple[str, ...], sizes: dict[str, tuple[int, int]]) -> None:
    made = np.array([sizes.get(each, (8, 4)) for each in ids], dtype=np.int32)
    features = feature_set(np.zeros((len(ids), 3)), ids=ids)
    replace(features, sizes=made).save(path)


def test_without_a_baseline_nothing_is_said(tmp_path: Path) -> None:
    failed = {name: Outcome(status="failed", why="x") for name in ("a-s0", "b-s0")}
    assert require_alike(tmp_path, PLAN, failed, print) == failed
