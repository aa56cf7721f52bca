"""The noise floor in one call: from folders of images to what moved."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from p2phd_eval.devices import find_device
from p2phd_eval.errors import LARGEST_SEED, InputError, require_whole
from p2phd_eval.evaluation.arms import require_distinct
from p2phd_eval.evaluation.cluster_rules import ClusterRule, as_rule
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.inputs import features_of, name_of, naming_choices, open_images_or_features, source_warnings
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.quality.distance_weights import NO_WEIGHTS
from p2phd_eval.quality.find_distances import find_distances
from p2phd_eval.quality.floor_arms import FloorArm, FloorRun, RealPhotos, common_images, require_arms
from p2phd_eval.quality.floor_of_arms import MARGIN, NoiseFloor, floor_of_arms, require_judged
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.verdicts.floor_ratio import TOLERANCE, require_tolerance
from p2phd_eval.stats.verdicts.margins import MarginRule, parse_margin

Images = str | os.PathLike[str] | ImageSource
Runs = Images | Sequence[Images]  # of one run, or of several seeds


def noise_floor(
    baseline: Runs | Mapping[str, Runs],
    candidates: Runs | Mapping[str, Runs],
    benign: Runs | Mapping[str, Runs],
    *,
    real: Any = None,
    judge: str | None = None,
    tolerance: float = TOLERANCE,
    margin: float | str | MarginRule | None = MARGIN,
    cluster_by: str | os.PathLike[str] | ClusterRule | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    lpips_weights: Path | None = None,
    distance_weights: Mapping[str, Path] = NO_WEIGHTS,
    settings: FeatureSettings | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> NoiseFloor:
    """Say whether candidates move images no more than harmless changes do, or what became of their quality.

    What the command `floor` does. Images pair by their names, runs by their order.

    Parameters
    ----------
    baseline : path-like, ImageSource, a sequence or a mapping of them
        The baseline's images: of one run, or a list with a set for each seed. A mapping of one name to these names it.
    candidates, benign : as `baseline`
        Candidates, and the baseline made again in ways that ought to change nothing: the same seed once more, compiled,
        in another batch size. A mapping of names to one or several of each; all with as many runs as the baseline.
    real : path-like, ImageSource, array or FeatureSet, optional
        The real photos, for the quality; without them only KID between the arms is there.
    judge, tolerance, margin, confidence, seed
        See `floor_of_arms`.
    cluster_by : str, path-like or ClusterRule, optional
        Which images are alike, as `parse_rule` reads it.
    lpips_weights : Path, optional
        File of torchvision's AlexNet weights. By default those of the cache, fetched if need be; LPIPS is left out
        where they cannot be had.
    distance_weights : mapping of str to Path
        Weights of further distances: `{"dists": Path("vgg16-397923af.pth")}`; see docs/distances.md.
    settings, progress, note
        See `compute_fid`.

    Returns
    -------
    NoiseFloor

    Raises
    ------
    InputError
        If a folder is given twice, an arm has another number of runs than the baseline, weights that are given or
        needed cannot be had, or as `floor_of_arms`.

    Examples
    --------
    >>> found = noise_floor("fp32/", {"int8": "int8/"}, {"compiled": "fp32-compiled/"}, real="photos/")
    >>> found.candidates[0].verdict
    """
    # Cheap failures first: options, folders and names.
    require_confidence(confidence)
    require_tolerance(tolerance)
    require_whole(0, LARGEST_SEED, {"--seed": seed})
    margin_rule = margin if isinstance(margin, MarginRule) else parse_margin(margin)
    rule = as_rule(cluster_by)
    own, variants, others = _named(baseline, "baseline"), _named(benign, "benign"), _named(candidates, "candidate")
    if len(own) != 1:
        raise InputError("baseline", expected="one arm", found=", ".join(name for name, _ in own) or "none")
    given = [*own, *variants, *others]
    every = [each for _, runs in given for each in runs]
    require_distinct([Path(each) for each in every if isinstance(each, str | os.PathLike)])
    opened = [FloorArm(name=name, runs=_opened(runs)) for name, runs in given]
    first = 1 + len(variants)  # of the candidates
    require_arms(opened[0], opened[first:], opened[1:first])
    _require_as_many_runs(opened)
    photos = None if real is None else open_images_or_features(real, generated=False)
    sources = [run.images for arm in opened for run in arm.runs]
    inputs = [*sources, *([] if photos is None else [photos])]
    with naming_choices(inputs):
        common_images({arm.name: arm.runs for arm in opened}, photos if isinstance(photos, ImageSource) else None)
    settings = settings or FeatureSettings()
    device = find_device(settings.device)
    distances, about_distances = find_distances(device, lpips_weights=lpips_weights, weights=distance_weights)
    require_judged(judge, distances)

    extractor = FeatureExtractor(settings, progress=progress, note=note)
    why_not = _why_no_features(extractor, settings) if photos is None else None
    arms = [
        replace(
            arm,
            runs=tuple(
                run if why_not else replace(run, features=features_of(run.images, extractor, name=arm.name))
                for run in arm.runs
            ),
        )
        for arm in opened
    ]
    found = floor_of_arms(
        arms[0],
        arms[first:],
        arms[1:first],
        distances=distances,
        real=None
        if photos is None
        else RealPhotos(
            images=photos if isinstance(photos, ImageSource) else None,
            features=features_of(photos, extractor, name="real"),
        ),
        judge=judge,
        tolerance=tolerance,
        margin=margin_rule,
        cluster_by=rule,
        confidence=confidence,
        seed=seed,
        device=device,
        progress=progress,
    )
    more = (*about_distances, *([why_not] if why_not else []), *source_warnings(inputs))
    return replace(found, notes=(*found.notes, *more))


def _named(given: Runs | Mapping[str, Runs], name: str) -> list[tuple[str, list[Images]]]:
    named = given if isinstance(given, Mapping) else {name: given}
    return [
        (each, [runs] if isinstance(runs, str | os.PathLike | ImageSource) else list(runs))
        for each, runs in named.items()
    ]


def _opened(runs: Sequence[Images]) -> tuple[FloorRun, ...]:
    found = []
    for number, run in enumerate(runs):
        images = open_images_or_features(run)
        if not isinstance(images, ImageSource):
            raise InputError(
                name_of(run),
                expected="images: a folder, an archive or a list",
                found="features, which hold no pixels" if not hasattr(run, "shape") else "an array without names",
            )
        found.append(FloorRun(seed=number, images=images))
    return tuple(found)


def _require_as_many_runs(arms: Sequence[FloorArm]) -> None:
    """Raise `InputError` unless runs can pair by their order."""
    baseline = arms[0]
    for arm in arms[1:]:
        if len(arm.runs) != len(baseline.runs):
            raise InputError(
                f"runs of {arm.name}",
                expected=f"{len(baseline.runs)}, one for each of {baseline.name}, in their order",
                found=str(len(arm.runs)),
            )


def _why_no_features(extractor: FeatureExtractor, settings: FeatureSettings) -> str | None:
    """Say why there is no KID; None where there is one. What was asked for by name must be there."""
    try:
        extractor.network()
    except InputError:
        if settings.network is not None or settings.weights is not None:
            raise
        return (
            "KID is left out: the weights of the feature network are not here and could not be fetched. Get them by: "
            "p2phd-eval weights fetch"
        )
    return None
