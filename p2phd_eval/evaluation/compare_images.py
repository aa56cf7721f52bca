"""A comparison in one call: from whatever holds the images to verdicts, explanations and pictures."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from p2phd_eval.errors import LARGEST_SEED, MOST_REPLICATES, InputError, as_choice, require_whole
from p2phd_eval.evaluation.arms import GivenFolders, read_arms, require_distinct
from p2phd_eval.evaluation.class_shares import label_class_shares, stored_class_names
from p2phd_eval.evaluation.cluster_rules import ClusterRule, as_rule
from p2phd_eval.evaluation.comparison import ComparisonResult, FeatureArm, compare_feature_sets, explained_ids
from p2phd_eval.evaluation.comparison import explain as explain_candidate
from p2phd_eval.evaluation.comparison_pictures import comparison_picture, influence_strip
from p2phd_eval.evaluation.pairing import common_ids, require_unique_ids
from p2phd_eval.evaluation.precision_shifts import precision_shifts
from p2phd_eval.evaluation.unaltered_samples import require_unaltered_samples
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.inputs import features_of, name_of, naming_choices, open_images_or_features, source_warnings
from p2phd_eval.features.under_protocol import all_under_protocol
from p2phd_eval.images.png import write_png
from p2phd_eval.images.protocols import Protocol
from p2phd_eval.images.replacing import require_own_picture
from p2phd_eval.images.sources.arrays import Layout
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.repeated import photos_for, serving
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.errors.seeds import require_runs
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.compared_arms import require_judgeable
from p2phd_eval.stats.verdicts.margins import parse_margin, require_seeds
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.stores.store_path import as_path

_STRIP_ROWS = 4  # images that pull dFID up, and as many that pull it down

_Arms = dict[str, tuple[Any, ...]]  # what holds the images of each arm's runs, the baseline's first


def compare_images(
    real: Any,
    *arms: Any,
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    margin: float | str | None = None,
    judge: Estimand | str = Estimand.FID_AT_N,
    reference: Any = None,
    scope: Scope | str | None = None,
    cluster_by: str | os.PathLike[str] | ClusterRule | None = None,
    confidence: float = 0.95,
    strict: bool = False,
    explain: bool = False,
    labels: str | os.PathLike[str] | None = None,
    picture: str | os.PathLike[str] | None = None,
    replicates: int | None = None,
    seed: int = 0,
    force: bool = False,
    protocol: str | Protocol | None = None,
    settings: FeatureSettings | None = None,
    layout: Layout | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> ComparisonResult:
    """Say of each candidate whether its FID is within the error range of the baseline's: what `compare` does.

    Images are paired by the stem of their label map; images in memory have no names and are taken as independent (an
    `ArraySource` with ids makes pairs).

    Parameters
    ----------
    real : path-like, ImageSource, array, Tensor, iterable of batches or FeatureSet
        The real images, see `compute_fid`; so are those of the arms.
    *arms
        The baseline's images, then those of each candidate: of one run, or a list of a set for each training seed
        (a list of arrays is one set). Or one mapping of names to these: ``{"fp32": ["s0", "s1"], "amp": [...]}``.
    runs : path-like or sequence of path-like, optional
        In place of arms: run folders, image folders of `generate`, a folder of them, or a study. Runs that differ in
        their seed alone are one arm, and so are images of each precision of generation; fp32 is the baseline.
    margin : float or str, optional
        The difference that still counts as none, set in advance: see `compare_fid`.
    judge : Estimand or its value
        What the verdict is about: "fid-at-n", "fid", "block-fid", "kid", "kid-rq" or "cmmd"; see `compare_fid`.
    reference : as `real`, optional
        Other real images, such as the training photos: the block FID takes their principal axes.
    scope : Scope or its value, optional
        By default that of the recipes where every arm has several runs.
    cluster_by : str, path-like or ClusterRule, optional
        Which images are alike, as `parse_rule` reads it; by default each is its own.
    confidence, replicates
        See `compare_arms`.
    strict, force, seed
        See `compare_feature_sets`.
    explain : bool
        Say where each difference comes from: parts, images, clusters, classes.
    labels : path-like, optional
        Label maps, for `explain`: the share of each class, and pictures.
    picture : path-like, optional
        PNG to write: images of all arms side by side, or, with `explain`, the most influential.
    protocol, settings, layout, progress, note
        See `compute_fid`.

    Returns
    -------
    ComparisonResult

    Raises
    ------
    InputError
        If something cannot be read or computed, arms cannot be told from each other, options do not go together, or as
        `compare_feature_sets`.

    Examples
    --------
    >>> compare_images("real/", "runs/fp32/samples", "runs/amp/samples", margin=2.0)
    >>> compare_images("real/", runs="study/", cluster_by="cityscapes-city").candidates[0].verdict
    """
    # Cheap failures first: options, images and names are checked before the network computes anything.
    margin_rule = parse_margin(margin)
    require_confidence(confidence)
    require_whole(0, MOST_REPLICATES, {"--replicates": replicates})
    require_whole(0, LARGEST_SEED, {"--seed": seed})
    judge = require_judgeable(judge, margin_rule, has_reference=reference is not None, clip=True)
    scope = None if scope is None else as_choice(Scope, scope, "--scope")
    rule = as_rule(cluster_by)
    settings = settings or FeatureSettings()
    named, notes = _named_arms(arms, runs)
    if len(named) < 2 or not all(named.values()):
        raise InputError("arms", expected="images of a baseline and of a candidate", found=f"{len(named)} arms")
    require_seeds(margin_rule, len(next(iter(named.values()))))
    if scope == Scope.RECIPES:
        require_runs({name: len(sets) for name, sets in named.items()})
    given = [real, *(each for sets in named.values() for each in sets)]
    inputs = [open_images_or_features(each, generated=k > 0) for k, each in enumerate(given)]
    if any(isinstance(each, ImageSource) for each in inputs):
        require_judgeable(judge, margin_rule, has_reference=reference is not None, clip=settings.network is not None)
    reference_input = None if reference is None else open_images_or_features(reference, generated=False)
    inputs, reference_input = all_under_protocol(protocol, settings, inputs, reference_input)
    named_ids = [(name_of(each), found.ids) for each, found in zip(given, inputs, strict=True) if hasattr(found, "ids")]
    with naming_choices(inputs):
        require_unique_ids(
            named_ids,
            {name_of(each): found.names for each, found in zip(given, inputs, strict=True) if hasattr(found, "names")},
        )
    if rule is not None:
        for _, ids in named_ids:
            rule.labels(ids)
    if labels is not None and not explain:
        raise InputError("--labels", expected="--explain beside it", found="no --explain")
    pictured: list[ImageSource] = []
    if picture is not None:
        pictured = _pictured(given, inputs)
        require_own_picture(picture, [*given, labels, reference], "--picture")
    label_maps = None if labels is None else open_source(labels, generated=False)

    for text in notes:
        note(text)
    extractor = FeatureExtractor(settings, progress=progress, note=note)
    names = [name if len(sets) == 1 else f"{name} {k}" for name, sets in named.items() for k, _ in enumerate(sets)]
    features = [
        features_of(each, extractor, name=name, layout=layout)
        for each, name in zip(inputs, ["real", *names], strict=True)
    ]
    if runs is not None:
        for folder, samples in zip(given[1:], features[1:], strict=True):
            require_unaltered_samples(Path(folder), samples.stamp.images_sha256)
    reference_features = (
        None if reference_input is None else features_of(reference_input, extractor, name="reference", layout=layout)
    )
    computed = iter(features[1:])
    with naming_choices([*inputs, reference_input]):
        result = compare_feature_sets(
            features[0],
            [FeatureArm(name=name, runs=tuple(next(computed) for _ in sets)) for name, sets in named.items()],
            margin=margin_rule,
            judge=judge,
            reference=reference_features,
            scope=scope,
            cluster_by=rule,
            confidence=confidence,
            replicates=replicates,
            seed=seed,
            strict=strict,
            force=force,
            progress=progress,
        )
    result = replace(
        result,
        arms=named,
        notes=notes,
        warnings=(*source_warnings([*inputs, reference_input, label_maps]), *result.warnings),
        precision_shifts=precision_shifts(extractor, inputs, features, names),
    )
    if explain:
        class_names = () if labels is None else stored_class_names(as_path(labels))
        result = _explained(result, label_maps, class_names, progress)
    if picture is not None:
        write_png(picture, _picture(result, pictured, names, label_maps))
    return result


def _named_arms(arms: Sequence[Any], runs: Any) -> tuple[_Arms, tuple[str, ...]]:
    """The arms by name, and what the reader of the verdict should know of how their runs were made."""
    if runs is not None:
        if arms:
            raise InputError("runs", expected="no arms beside them: they say which arm they belong to", found="both")
        folders = [runs] if isinstance(runs, str | os.PathLike) else runs
        found, notes = read_arms((), (), (), [GivenFolders(name=None, folders=tuple(map(as_path, folders)))])
        return {arm.name: arm.folders for arm in found}, notes
    if any(isinstance(each, Mapping) for each in arms):
        if len(arms) > 1:
            raise InputError("arms", expected="a mapping that holds all of them", found="others beside it")
        named = {name: tuple(sets) if isinstance(sets, list | tuple) else (sets,) for name, sets in arms[0].items()}
    else:
        sets_of = [  # a list of arrays is the images of one run
            tuple(arm) if isinstance(arm, list | tuple) and not any(hasattr(run, "shape") for run in arm) else (arm,)
            for arm in arms
        ]
        if len(arms) > 1 and all(s and all(isinstance(run, str | os.PathLike) for run in s) for s in sets_of):
            given = [GivenFolders(name=None, folders=tuple(map(as_path, sets))) for sets in sets_of]
            found, notes = read_arms((), given[:1], given[1:], ())
            return {arm.name: arm.folders for arm in found}, notes
        numbers = [""] if len(arms) == 2 else [f" {i}" for i in range(1, len(arms))]
        named = dict(zip(["baseline", *(f"candidate{i}" for i in numbers)], sets_of, strict=False))
    require_distinct([as_path(run) for sets in named.values() for run in sets if isinstance(run, str | os.PathLike)])
    return named, ()


def _pictured(given: Sequence[Any], inputs: Sequence[Any]) -> list[ImageSource]:
    """The sets that a picture is of; raises InputError unless all are images, with ids in common."""
    if any(not isinstance(each, ImageSource) for each in inputs):
        raise InputError("--picture", expected="images in all arguments", found="features, which show nothing")
    sources = [photos_for(inputs[0], inputs[1:]), *inputs[1:]]
    with naming_choices(inputs):
        common_ids([(name_of(each), found.ids) for each, found in zip(given, sources, strict=True)])
    return sources


def _explained(
    result: ComparisonResult, label_maps: ImageSource | None, class_names: Sequence[str], progress: ProgressFactory
) -> ComparisonResult:
    """The same result with where each difference comes from; by class, where there are label maps."""
    shares, ids = None, explained_ids(result)
    if label_maps is not None and ids:
        with progress("label maps", "maps") as on_progress:
            shares = label_class_shares(serving(label_maps, ids), ids, class_names, on_progress)
    explanations = tuple(explain_candidate(result, k, shares) for k in range(len(result.candidates)))
    return replace(result, explanations=explanations)


def _picture(
    result: ComparisonResult, sources: Sequence[ImageSource], names: Sequence[str], labels: ImageSource | None
) -> Any:
    """The most influential images of the first candidate where there are any, else some of all arms."""
    explanation = next(iter(result.explanations), None)
    if explanation is None or not (explanation.upward or explanation.downward):
        return comparison_picture(sources, ["real", *names])
    baseline, candidate, *_ = result.arms
    shown = [sources[0], sources[1], sources[1 + len(result.arms[baseline])]]
    images = explanation.upward[:_STRIP_ROWS] + explanation.downward[:_STRIP_ROWS]
    ids = [image.id for image in images]  # label maps, or conditions, of which the first sample is shown
    shown = [serving(source, ids, one_of_several=True) for source in shown]
    maps = None if labels is None else serving(labels, ids)
    return influence_strip(images, shown, ["real", baseline, candidate], maps)
