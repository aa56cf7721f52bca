"""Whether the runs of a study can be compared image by image: commands may have written other images than was hoped."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from p2phd_eval.evaluation.pairing import examples
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.progress import Note
from p2phd_eval.study.outcome import Outcome, save_outcome
from p2phd_eval.study.run_files import features_path, run_folder
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan


def require_alike(study: Path, plan: StudyPlan, outcomes: Mapping[str, Outcome], note: Note) -> dict[str, Outcome]:
    """Return how each run ended, where one whose images have other names or sizes than the baseline's has failed.

    `study`: a study folder whose runs have ended. `outcomes`: how, by name. `note`: told of each such run.
    """
    found = dict(outcomes)
    first = next((run for run in plan.runs if run.arm == plan.arms[0] and not outcomes[run.name].failed), None)
    if first is None:
        return found
    reference = _features(study, first)
    for run in plan.runs:
        if run.command is None or run == first or outcomes[run.name].failed:
            continue
        why = _difference(reference, _features(study, run), first.name)
        if why is not None:
            found[run.name] = Outcome(status="failed", why=why)
            save_outcome(run_folder(study, run), found[run.name])
            note(f"{run.name}: {why}. It counts as failed.")
    return found


def _features(study: Path, run: PlannedRun) -> FeatureSet:
    return FeatureSet.load(features_path(study, run, run.sampling[0]))


def _difference(reference: FeatureSet, features: FeatureSet, name: str) -> str | None:
    missing, others = set(reference.ids) - set(features.ids), set(features.ids) - set(reference.ids)
    if missing:
        more = f", and {len(others)} are others, such as {examples(others)}" if others else ""
        return f"{len(missing)} of the {len(reference)} images of {name} are missing, such as {examples(missing)}{more}"
    if others:
        return f"{len(others)} images are none of {name}, such as {examples(others)}"
    order, own = np.argsort(reference.ids), np.argsort(features.ids)
    differing = np.flatnonzero((reference.sizes[order] != features.sizes[own]).any(axis=1))
    if len(differing):
        k = differing[0]
        (width, height), (before, high) = features.sizes[own[k]], reference.sizes[order[k]]
        return (
            f"{len(differing)} of {len(reference)} images have another size than those of {name}: "
            f"{reference.ids[order[k]]} is {width} x {height}, there {before} x {high}"
        )
    return None
