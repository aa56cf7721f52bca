"""Which runs of a study are compared with which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec import UNSET

from p2phd_eval.progress import silent
from p2phd_eval.report.documents.arm_documents import CommandArm
from p2phd_eval.report.documents.comparison_documents import CompareDocument
from p2phd_eval.study.comparisons import compare_study
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.run_files import features_path
from p2phd_eval.study.study_plan import StudyPlan
from tests.features.feature_sets import feature_set

ARM = CommandArm(generate=("sample", "{out}", "{seed}"), folder="/")
BENIGN = CommandArm(generate=("sample", "{out}", "{seed}"), folder="/", benign=True)


@pytest.fixture
def plan(tmp_path: Path) -> StudyPlan:
    """A study of features, in which an image is its scene, moved far by its seed and a little by its arm."""
    made = {"base": ARM, "a": ARM, "b": ARM, "c": ARM, "again": BENIGN}
    plan = StudyPlan(
        data="real", data_sha256="0", base=None, arms=tuple(made), seeds=(0, 1, 2), made_by=made, margin="50%"
    )
    (tmp_path / "features").mkdir()
    for run in plan.runs:
        moved = _scenes() + run.seed + 0.01 * plan.arms.index(run.arm)
        feature_set(moved).save(features_path(tmp_path, run, "own"))
    return plan


def _scenes() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 4))


def _runs(document: CompareDocument) -> dict[str, list[str]]:
    arms = (document.baseline, *document.candidates)
    return {arm.name: [Path(run.folder).parts[-3] for run in arm.runs] for arm in arms}


def test_samples_of_the_same_weights_are_compared_at_equal_seeds(plan: StudyPlan, tmp_path: Path) -> None:
    lost = {"a-s0", "b-s1", "c-s1", "again-s1"}
    outcomes = {
        run.name: Outcome(status="failed", why="x") if run.name in lost else Outcome(status="finished")
        for run in plan.runs
    }
    found = compare_study(tmp_path, plan, outcomes, feature_set(_scenes()), None, progress=silent)
    assert [_runs(each.document) for each in found.sampling] == [
        {"base": ["base-s1", "base-s2"], "a": ["a-s1", "a-s2"]},
        {"base": ["base-s0", "base-s2"], "b": ["b-s0", "b-s2"], "c": ["c-s0", "c-s2"]},
    ]
    assert found.benign is not UNSET
    assert _runs(found.benign) == {"base": ["base-s0", "base-s2"], "again": ["again-s0", "again-s2"]}
    # Other seeds than the baseline's would make a difference of 3.
    for each in found.sampling:
        for candidate in each.document.candidates:
            assert candidate.test is not None and abs(candidate.test.estimate) < 0.5
    # Where the baseline has another seed than an arm, nothing is compared.
    outcomes |= {
        f"{name}": Outcome(status="failed", why="x") for name in ("base-s1", "base-s2", "again-s0", "again-s2")
    }
    found = compare_study(tmp_path, plan, outcomes, feature_set(_scenes()), None, progress=silent)
    assert [_runs(each.document) for each in found.sampling] == [{"base": ["base-s0"], "b": ["b-s0"], "c": ["c-s0"]}]
    assert found.benign is UNSET
