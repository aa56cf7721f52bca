"""The part of a study that is about its benign arms: do candidates move images more than harmless changes do?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from p2phd_eval.evaluation.cluster_rules import parse_rule
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.generators.engines.engine_names import ways
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import ProgressFactory
from p2phd_eval.quality.find_distances import find_distances
from p2phd_eval.quality.floor_arms import FloorArm, FloorRun, RealPhotos
from p2phd_eval.quality.floor_of_arms import MARGIN, floor_of_arms
from p2phd_eval.report.documents.floor_documents import FloorDocument, floor_document
from p2phd_eval.report.documents.study_documents import COMMON_SAMPLING
from p2phd_eval.report.wording import generated_name
from p2phd_eval.stats.verdicts.margins import parse_margin
from p2phd_eval.study.metric_weights import MetricWeights
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.real_images import real_path
from p2phd_eval.study.run_files import below, features_path, samples_folder
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan

Sampled = tuple[PlannedRun, str]  # a run, and the way in which it generated


@dataclass(frozen=True, kw_only=True)
class SamplesOfFloor:
    """The samples that a noise floor is made from, by arm; each arm has one of each run."""

    name: str  # of the baseline
    baseline: tuple[Sampled, ...]
    benign: dict[str, tuple[Sampled, ...]]
    candidates: dict[str, tuple[Sampled, ...]]

    @property
    def by_arm(self) -> dict[str, tuple[Sampled, ...]]:
        """All of them, the baseline's first."""
        return {self.name: self.baseline, **self.benign, **self.candidates}


def samples_of_floor(plan: StudyPlan, outcomes: Mapping[str, Outcome]) -> SamplesOfFloor | None:
    """Return the samples of arms between which pixels can be compared; None where there is no floor.

    Those are arms that sample from the baseline's weights at equal seeds; or, where no benign arm does, those that are
    trained anew like the benign ones, whose floor is what training a second time does; or the engines and precisions
    in which the baseline's checkpoints generate, of which an engine in full precision is benign. `outcomes`: how each
    run ended, by name.
    """
    baseline = plan.arms[0]
    finished = {
        arm: tuple(run for run in plan.runs if run.arm == arm and not run.repeat and not outcomes[run.name].failed)
        for arm in plan.arms
    }
    arms = {arm: tuple((run, run.sampling[0]) for run in runs) for arm, runs in finished.items() if runs}
    same_weights = [arm for arm in plan.arms[1:] if arm in arms and arm not in plan.retrained]
    retrained = [arm for arm in plan.retrained if arm in arms]
    for group in (same_weights, retrained):
        benign = {arm: arms[arm] for arm in group if arm in plan.benign}
        candidates = {arm: arms[arm] for arm in group if arm not in plan.benign}
        if not (benign and candidates and baseline in arms):
            continue
        seeds = _seeds(arms[baseline]).intersection(*map(_seeds, benign.values()))
        # Of candidates that lost other seeds, those that have most of them are held against the floor.
        for arm in sorted(candidates, key=lambda arm: -len(seeds & _seeds(candidates[arm]))):
            common = seeds & _seeds(candidates[arm])
            seeds, candidates = (common, candidates) if common else (seeds, {**candidates, arm: ()})
        candidates = {arm: samples for arm, samples in candidates.items() if samples}
        if candidates:
            return SamplesOfFloor(name=baseline, baseline=arms[baseline], benign=benign, candidates=candidates)
    engines = [way for way in plan.generation if ways()[way].precision == COMMON_SAMPLING]
    others = [way for way in plan.generation if way not in engines]
    if not (engines and others and finished[baseline]):
        return None

    def generated(given: Sequence[str]) -> dict[str, tuple[Sampled, ...]]:
        return {generated_name(baseline, way): tuple((run, way) for run in finished[baseline]) for way in given}

    return SamplesOfFloor(
        name=generated_name(baseline, COMMON_SAMPLING),
        baseline=arms[baseline],
        benign=generated(engines),
        candidates=generated(others),
    )


def _seeds(samples: Sequence[Sampled]) -> set[int]:
    return {run.seed for run, _ in samples}


def floor_of_study(
    study: Path,
    plan: StudyPlan,
    samples: SamplesOfFloor,
    real: FeatureSet | None,
    *,
    device: torch.device,
    weights: MetricWeights,
    progress: ProgressFactory,
) -> FloorDocument:
    """Hold the candidates of a study against its benign arms; raises as `floor_of_arms`.

    `study`: its folder. `real`: the features of the real images; None without any.
    """

    def arm(name: str) -> FloorArm:
        return FloorArm(
            name=name,
            runs=tuple(
                FloorRun(
                    seed=run.seed,
                    images=open_source(samples_folder(study, run, way)),
                    features=FeatureSet.load(features_path(study, run, way)),
                )
                for run, way in samples.by_arm[name]
            ),
        )

    photos, rule = real_path(plan), parse_margin(plan.margin)
    distances, notes = find_distances(device, lpips_weights=weights.lpips, weights=weights.distances)
    found = floor_of_arms(
        arm(samples.name),
        [arm(name) for name in samples.candidates],
        [arm(name) for name in samples.benign],
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
    folders = {
        name: [below(study, samples_folder(study, run, way)) for run, way in sampled]
        for name, sampled in samples.by_arm.items()
    }
    found = replace(found, notes=(*found.notes, *notes))
    return floor_document(found, folders, None if photos is None else str(photos))
