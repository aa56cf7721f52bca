"""The part of a study that is about its benign arms: do candidates move images more than harmless changes do?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from p2phd_eval.evaluation.cluster_rules import parse_rule
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import ProgressFactory
from p2phd_eval.quality.find_distances import find_distances
from p2phd_eval.quality.floor_arms import FloorArm, FloorRun, RealPhotos
from p2phd_eval.quality.floor_of_arms import MARGIN, floor_of_arms
from p2phd_eval.report.documents.floor_documents import FloorDocument, floor_document
from p2phd_eval.stats.verdicts.margins import parse_margin
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.real_images import real_path
from p2phd_eval.study.run_files import below, features_path, samples_folder
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan


@dataclass(frozen=True, kw_only=True)
class RunsOfFloor:
    """The runs that a noise floor is made from, by arm."""

    baseline: tuple[PlannedRun, ...]
    benign: dict[str, tuple[PlannedRun, ...]]
    candidates: dict[str, tuple[PlannedRun, ...]]

    @property
    def all(self) -> tuple[PlannedRun, ...]:
        """Every one of them."""
        parts = (self.baseline, *self.benign.values(), *self.candidates.values())
        return tuple(run for part in parts for run in part)


def runs_of_floor(plan: StudyPlan, outcomes: Mapping[str, Outcome]) -> RunsOfFloor | None:
    """Return the runs that finished of arms between which pixels can be compared; None where there is no floor.

    Those are arms that sample from the baseline's weights at equal seeds; or, where no benign arm does, those that are
    trained anew like the benign ones, whose floor is what training a second time does. `outcomes`: how each run ended,
    by name.
    """
    finished = {
        arm: tuple(run for run in plan.runs if run.arm == arm and not run.repeat and not outcomes[run.name].failed)
        for arm in plan.arms
    }
    baseline = plan.arms[0]
    for group in ([arm for arm in plan.arms[1:] if arm not in plan.retrained], list(plan.retrained)):
        arms = {arm: finished[arm] for arm in group if finished[arm]}
        seeds = set.intersection(*({run.seed for run in runs} for runs in (finished[baseline], *arms.values())))
        benign = {arm: runs for arm, runs in arms.items() if arm in plan.benign}
        candidates = {arm: runs for arm, runs in arms.items() if arm not in plan.benign}
        if seeds and benign and candidates:
            return RunsOfFloor(baseline=finished[baseline], benign=benign, candidates=candidates)
    return None


def floor_of_study(
    study: Path,
    plan: StudyPlan,
    runs: RunsOfFloor,
    real: FeatureSet | None,
    lpips_weights: Path | None,
    device: torch.device,
    *,
    progress: ProgressFactory,
) -> FloorDocument:
    """Hold the candidates of a study against its benign arms; raises as `floor_of_arms`.

    `study`: its folder. `real`: the features of the real images; None without any.
    """

    def arm(name: str, of: Sequence[PlannedRun]) -> FloorArm:
        return FloorArm(
            name=name,
            runs=tuple(
                FloorRun(
                    seed=run.seed,
                    images=open_source(samples_folder(study, run, run.sampling[0])),
                    features=FeatureSet.load(features_path(study, run, run.sampling[0])),
                )
                for run in of
            ),
        )

    photos, rule = real_path(plan), parse_margin(plan.margin)
    distances, notes = find_distances(device, lpips_weights=lpips_weights)
    found = floor_of_arms(
        arm(plan.arms[0], runs.baseline),
        [arm(name, of) for name, of in runs.candidates.items()],
        [arm(name, of) for name, of in runs.benign.items()],
        distances=distances,
        real=None
        if real is None or photos is None
        else RealPhotos(images=open_source(photos, generated=False), features=real),
        # A margin from seeds is that of trainings, which these arms share.
        margin=MARGIN if rule is None or rule.kind == "seeds" else rule,
        cluster_by=None if plan.cluster_by is None else parse_rule(plan.cluster_by),
        confidence=plan.confidence,
        device=device,
        progress=lambda what, unit: progress(f"noise floor: {what}", unit),
    )
    parts = {plan.arms[0]: runs.baseline, **runs.benign, **runs.candidates}
    folders = {
        name: [below(study, samples_folder(study, run, run.sampling[0])) for run in of] for name, of in parts.items()
    }
    found = replace(found, notes=(*found.notes, *notes))
    return floor_document(found, folders, None if photos is None else str(photos))
