"""Documents for the tests of the gate: real comparisons of invented features, and reports of studies around them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from p2phd_eval.config import TrainConfig
from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets
from p2phd_eval.report.documents import document
from p2phd_eval.report.tables.comparison_tables import comparison_document
from p2phd_eval.stats.verdicts.margins import parse_margin
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.study_plan import StudyPlan
from p2phd_eval.study.verdicts import verdict_documents
from tests.features.feature_sets import feature_set

D = 6


def comparison(
    shifts: dict[str, float], *, runs: int = 1, margin: str | None = "2", n: int = 60, noise: float = 0.5
) -> dict[str, Any]:
    """What `compare` writes of arms whose features are shifted by so much; the baseline is shifted by 0.5."""
    scenes = np.random.default_rng(99).normal(size=(n, D))

    def arm(name: str, shift: float, seed: int) -> FeatureArm:
        rngs = [np.random.default_rng([seed, run]) for run in range(runs)]
        return FeatureArm(
            name=name, runs=tuple(feature_set(scenes + noise * rng.normal(size=(n, D)) + shift) for rng in rngs)
        )

    arms = [arm("fp32", 0.5, 1), *(arm(name, shift, 2 + k) for k, (name, shift) in enumerate(shifts.items()))]
    rule = None if margin is None else parse_margin(margin)
    result = compare_feature_sets(feature_set(scenes), arms, margin=rule, replicates=0, seed=0)
    folders = [[Path(each.name) / str(run) for run in range(runs)] for each in arms]
    return read_back(comparison_document(result, "real", folders))


def report(
    training: dict[str, Any] | None, arms: Sequence[str], failed: dict[str, int] | None = None
) -> dict[str, Any]:
    """The part of a study's report that holds verdicts, of three runs an arm of which the first so many diverged."""
    plan = StudyPlan(
        data="d",
        data_sha256="0",
        base=TrainConfig(),
        arms=("fp32", *arms),
        seeds=(0, 1, 2),
        repeat=False,
    )
    diverged = Outcome(status="diverged", why="loss G_GAN at step 7: nan")
    outcomes = {
        run.name: diverged if run.seed < (failed or {}).get(run.arm, 0) else Outcome(status="finished")
        for run in plan.runs
    }
    return read_back(
        document(
            "report",
            name="scenes",
            verdicts=verdict_documents(plan, outcomes, training),
            comparisons={"training": training, "sampling": [], "repeat": None},
        )
    )


def read_back(values: dict[str, Any]) -> dict[str, Any]:
    """A document as it comes out of its file."""
    return json.loads(json.dumps(values, allow_nan=False))  # type: ignore[no-any-return]
