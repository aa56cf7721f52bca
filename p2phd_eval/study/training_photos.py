"""The training photos of a study: the reference of its block FID."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from p2phd_eval.config import DataConfig
from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.reference import axes_of_reference
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.files import atomic_write, name_bytes
from p2phd_eval.generators.data.triplets import files_by_key, folder_names
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.stats.distances.block_frechet import BLOCK
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.study.artefacts import finished, record
from p2phd_eval.study.study_plan import StudyPlan

#: More training photos than this would take hours, and hardly move the axes.
MOST_PHOTOS = 5_000


def _training_photos(plan: StudyPlan) -> dict[str, Path]:
    """The training photos by their key; none without a data set, or in one that holds test photos alone."""
    if plan.base is None:
        return {}
    folder = _folder(plan.data, plan.base.data)
    return files_by_key(folder) if folder.is_dir() else {}


def _folder(root: str, data: DataConfig) -> Path:
    return Path(root) / folder_names(data.phase, data)[2]


def reference_photos(plan: StudyPlan) -> int:
    """Return how many training photos the reference takes; 0 where there are too few for one block of axes."""
    n = len(_training_photos(plan))
    return min(n, MOST_PHOTOS) if n > BLOCK else 0


def require_reference(plan: StudyPlan) -> None:
    """Raise InputError if there are too few training photos for a block FID."""
    if not reference_photos(plan):
        raise InputError(
            "--judge block-fid",
            expected=f"more than {BLOCK} training photos, whose principal axes it takes",
            found=str(len(_training_photos(plan))),
            fix="Judge something else, such as --judge fid-at-n.",
        )


def reference_features(
    study: Path, plan: StudyPlan, extract: FeatureExtractor, inputs: Mapping[str, str]
) -> FeatureSet | None:
    """Return the features of the training photos, computed once; None where there are too few.

    `study`: its folder, in which `features/reference.npz` is kept. `inputs`: hashes of what they are made from. Of more
    photos than `MOST_PHOTOS` the first in the order of their names are taken. Raises `InputError` as `FeatureExtractor`
    does.
    """
    n = reference_photos(plan)
    if plan.base is None or not n:
        return None
    path, files = study / "features" / "reference.npz", _training_photos(plan)
    inputs = {**inputs, "photos": str(n)}
    if finished(study, "reference", inputs, path) is None:
        start = time.perf_counter()
        source = photos = _folder(plan.data, plan.base.data)
        if len(files) > n:
            source = path.with_suffix(".txt")
            with atomic_write(source) as stream:
                stream.write(name_bytes("".join(f"{files[key].resolve()}\n" for key in sorted(files)[:n])))
        features = extract(open_source(source))
        replace(features, stamp=replace(features.stamp, source=str(photos))).save(path)
        record(study, "reference", inputs, path, time.perf_counter() - start)
    return FeatureSet.load(path)


def usable_reference(
    plan: StudyPlan, reference: FeatureSet | None, real: FeatureSet
) -> tuple[FeatureSet | None, str | None]:
    """Return the reference if it can be one, and what the reader of the report should know of it.

    A study whose training and test photos overlap goes on without. Raises `InputError` if it was to be judged by the
    block FID.

    `reference`: from `reference_features`. `real`: the features of the test photos.
    """
    n = len(_training_photos(plan))
    if reference is None and plan.base is None:
        return None, None
    if reference is None:
        return None, f"No block FID: its reference takes more than {BLOCK} training photos, and there are {n}."
    try:
        axes_of_reference(reference, [("the test photos", real)])
    except InputError as error:
        if plan.judge is Estimand.BLOCK_FID:
            raise InputError(
                "--judge block-fid",
                expected=f"training photos that can be its reference: {error.expected}",
                found=error.found,
                fix="Finished work is kept: judge something else, such as with p2phd-eval study --out STUDY --judge "
                "fid-at-n.",
            ) from error
        return None, f"No block FID: the training photos cannot be its reference, found {error.found}."
    if len(reference) < n:
        return reference, (
            f"The block FID takes its axes from {len(reference):,} of the {n:,} training photos, the first by name."
        )
    return reference, None
