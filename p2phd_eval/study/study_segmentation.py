"""The part of a study that is about segmentation: what a segmenter finds in its samples, against the test maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.class_shares import stored_class_names
from p2phd_eval.progress import ProgressFactory
from p2phd_eval.report.documents.segment_documents import SegmentDocument, StudySegmenter, segment_document
from p2phd_eval.segmentation.class_map import ClassMap, find_class_map
from p2phd_eval.segmentation.find_segmenter import find_segmenter
from p2phd_eval.segmentation.segmentation_score import segmentation_score
from p2phd_eval.segmentation.segmenter import Segmenter
from p2phd_eval.stats.verdicts.margins import MarginRule, parse_margin
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.real_images import labels_folder, real_path
from p2phd_eval.study.run_files import below, samples_folder
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan

PICTURE = "segmentation.png"  # below the study's analysis


def study_segmenter(
    segmenter: str | None, weights: str | Path | None, class_map: str | Path | None, ignore: Sequence[int]
) -> StudySegmenter | None:
    """Return what a plan keeps of the options, files as absolute paths; None without a segmenter.

    Raises `InputError` if there is none and something that only a segmenter takes.
    """
    others = {"--segmenter-weights": weights, "--class-map": class_map, "--ignore": list(ignore) or None}
    if segmenter is None:
        alone = next((option for option, value in others.items() if value is not None), None)
        if alone is not None:
            raise InputError(alone, expected="--segmenter beside it", found="no --segmenter")
        return None
    return StudySegmenter(
        name=str(Path(segmenter).resolve()) if Path(segmenter).exists() else segmenter,
        weights=None if weights is None else str(Path(weights).resolve()),
        class_map=None if class_map is None else str(Path(class_map).resolve()),
        ignore=tuple(ignore),
    )


def require_segmenter(plan: StudyPlan, device: torch.device) -> None:
    """Raise `InputError` unless a plan's segmenter can be had, and fits its test maps as far as their names tell."""
    if labels_folder(plan) is None or (plan.base is not None and not plan.base.data.label_nc):
        found = "real images alone" if plan.base is None else "photos to photos"
        raise InputError(
            "--segmenter", expected="a data set with label maps, to hold what it finds against", found=found
        )
    open_segmenter(plan, device)


def open_segmenter(plan: StudyPlan, device: torch.device) -> tuple[Segmenter, ClassMap]:
    """Return the segmenter of a plan, and what the numbers of the test maps are in its classes."""
    asked, labels = plan.segmenter, labels_folder(plan)
    assert asked is not None and labels is not None
    weights = None if asked.weights is None else Path(asked.weights)
    segmenter = find_segmenter(asked.name, weights=weights, device=device)
    path = None if asked.class_map is None else Path(asked.class_map)
    names = stored_class_names(labels)
    return segmenter, find_class_map(
        path, segmenter.classes, ignore=asked.ignore, names=names, labels=f"{labels.parent}"
    )


def runs_of_segmentation(plan: StudyPlan, outcomes: Mapping[str, Outcome]) -> dict[str, tuple[PlannedRun, ...]]:
    """Return the finished runs of each arm that is scored, the baseline first; none where the baseline has none.

    Benign arms are not judged. `outcomes`: how each run ended, by name.
    """
    arms = [arm for arm in plan.arms if arm not in plan.benign]
    found = {
        arm: tuple(run for run in plan.runs if run.arm == arm and not run.repeat and not outcomes[run.name].failed)
        for arm in arms
    }
    return {arm: runs for arm, runs in found.items() if runs} if found[plan.arms[0]] else {}


def segmentation_of_study(
    study: Path,
    plan: StudyPlan,
    segmenter: Segmenter,
    runs: Mapping[str, Sequence[PlannedRun]],
    *,
    device: torch.device,
    progress: ProgressFactory,
) -> SegmentDocument:
    """Score the samples of a study, and draw the worst beside the document; raises as `segmentation_score`."""
    asked, labels, photos = plan.segmenter, labels_folder(plan), real_path(plan)
    assert asked is not None and labels is not None
    folders = {arm: [samples_folder(study, run, run.sampling[0]) for run in own] for arm, own in runs.items()}
    found = segmentation_score(
        labels,
        folders,
        segmenter=segmenter,
        photos=photos,
        class_map=asked.class_map,
        ignore=asked.ignore,
        margin=_margin(plan, len(folders[plan.arms[0]])),
        cluster_by=plan.cluster_by,
        confidence=plan.confidence,
        device=device,
        picture=study / "analysis" / PICTURE,
        progress=lambda what, unit: progress(f"segmentation: {what}", unit),
    )
    named = {arm: [below(study, folder) for folder in own] for arm, own in folders.items()}
    return segment_document(found, named, labels=str(labels), photos=None if photos is None else str(photos))


def _margin(plan: StudyPlan, baseline_runs: int) -> MarginRule | None:
    """A study's margin for a score: a share is one of the score; a number is one of FID, and says nothing here."""
    rule = parse_margin(plan.margin)
    if rule is None or rule.kind == "relative":
        return rule
    return MarginRule(kind="seeds", amount=0.0) if baseline_runs > 1 else None
