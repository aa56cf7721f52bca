"""Documents for the tests of the gate: real comparisons of invented features, and reports of studies around them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from p2phd_eval.config import TrainConfig
from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets
from p2phd_eval.report.documents.comparison_documents import CompareDocument, comparison_document
from p2phd_eval.report.documents.document import Document, from_result, read_document
from p2phd_eval.report.documents.study_documents import (
    Comparisons,
    Pictures,
    Processor,
    ReportDocument,
    Speed,
    WhatWasRun,
)
from p2phd_eval.stats.verdicts.margins import parse_margin
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.study_plan import StudyPlan
from p2phd_eval.study.verdicts import arm_verdicts
from tests.features.feature_sets import feature_set

D = 6


def comparison(
    shifts: dict[str, float],
    *,
    runs: int = 1,
    margin: str | None = "2",
    n: int = 60,
    noise: float = 0.5,
    judge: str = "fid-at-n",
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
    result = compare_feature_sets(feature_set(scenes), arms, margin=rule, judge=judge, replicates=0, seed=0)
    folders = [[Path(each.name) / str(run) for run in range(runs)] for each in arms]
    return read_back(comparison_document(result, "real", folders))


def report(
    training: dict[str, Any] | None, arms: Sequence[str], failed: dict[str, int] | None = None
) -> dict[str, Any]:
    """A study's report of three runs an arm, of which the first so many diverged; what no gate reads is empty."""
    plan = StudyPlan(data="d", data_sha256="0", base=TrainConfig(), arms=("fp32", *arms), seeds=(0, 1, 2), repeat=False)
    diverged = Outcome(status="diverged", why="loss G_GAN at step 7: nan")
    outcomes = {
        run.name: diverged if run.seed < (failed or {}).get(run.arm, 0) else Outcome(status="finished")
        for run in plan.runs
    }
    compared = None if training is None else msgspec.convert(training, CompareDocument)
    comparisons = Comparisons(training=compared, sampling=(), repeat=None)
    return read_back(
        ReportDocument(
            name="scenes",
            verdicts=arm_verdicts(plan, outcomes, comparisons),
            comparisons=comparisons,
            runs=(),
            quality=None,
            curves={},
            pictures=Pictures(labels="l", photos="p", label_nc=0),
            what_was_run=from_result(
                WhatWasRun,
                plan,
                n_train=1,
                n_test=1,
                config={},
                arms=(),
                device="cpu",
                machine=Processor(processor="p", cores=2, threads=1),
                versions={},
                weights=None,
            ),
            notes=(),
            speed=Speed(made_at="", runs={}, bench=None),
        )
    )


def read_back(document: Document) -> dict[str, Any]:
    """A document as it comes out of its file."""
    return json.loads(json.dumps(document.to_builtins(), allow_nan=False))  # type: ignore[no-any-return]


def read(values: Any, folder: Path) -> CompareDocument | ReportDocument:
    """The same, read and checked by the tool."""
    path = folder / "x.json"
    path.write_text(json.dumps(values))
    return read_document(path, ReportDocument, CompareDocument)
