"""The segmentation score in one call: from label maps and folders of samples to what a segmenter finds in them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from p2phd_eval.devices import find_device
from p2phd_eval.errors import InputError, as_choice, require_at_least
from p2phd_eval.evaluation.arms import require_distinct
from p2phd_eval.evaluation.class_shares import stored_class_names
from p2phd_eval.evaluation.cluster_rules import ClusterRule, as_rule, cluster_labels
from p2phd_eval.evaluation.pairing import examples, require_unique_ids
from p2phd_eval.features.inputs import naming_choices, source_warnings
from p2phd_eval.images.pictures import label_colours, picture_grid
from p2phd_eval.images.png import write_png
from p2phd_eval.images.protocols import Protocol, find_protocol
from p2phd_eval.images.replacing import require_own_picture
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.protocol_source import ProtocolSource
from p2phd_eval.images.sources.repeated import serving
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.segmentation.class_map import ClassMap, find_class_map, require_label_numbers
from p2phd_eval.segmentation.find_segmenter import find_segmenter
from p2phd_eval.segmentation.kept_counts import SegmentedPhotos, Size
from p2phd_eval.segmentation.label_pixels import at_size, label_numbers
from p2phd_eval.segmentation.segment_photos import PhotoSegmenter, resized, size_of
from p2phd_eval.segmentation.segmenter import Segmenter
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.segmentation.class_counts import ClassCounts, image_scores
from p2phd_eval.stats.segmentation.compared_scores import ScoreComparison, compare_segmentations, require_score_margin
from p2phd_eval.stats.segmentation.score_names import SegmentationScore
from p2phd_eval.stats.verdicts.margins import MarginRule, parse_margin, require_seeds
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.stores.store_path import as_path

Images = str | os.PathLike[str] | ImageSource
Runs = Images | Sequence[Images]  # of one run, or of several seeds
Pixels = npt.NDArray[np.uint8]

REAL = "the real photos"
#: A class that fewer label maps hold than this makes the mean IoU a matter of these few.
FEW_MAPS = 10
_HARDLY = 10  # percent of IoU in real photos below which a segmenter does not know a class
_CONFUSIONS = 5  # that are told of each arm
_WORST, _MEDIAN = 3, 2  # rows of the picture
_NO_ORACLE = (
    "no real photos (--photos): without them nothing says how much of what is missing the segmenter would miss in real "
    "photos too"
)


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Pixels of one class that are taken for another."""

    true: str
    predicted: str
    share: float  # of the pixels of the true class


@dataclass(frozen=True, kw_only=True)
class SegmentationStamp:
    """What decided the scores beside the images: numbers compare where all of it agrees."""

    segmenter: str
    identity: str  # SHA-256 of its weights, code and settings
    classes: tuple[str, ...]  # that are scored
    class_map_sha256: str
    size: str  # at which maps are compared
    photo_sizes: tuple[Size, ...]  # width and height of the samples, as the segmenter got them; each once
    protocol: str | None = None  # that the images were held against, such as "spade-cityscapes"


@dataclass(frozen=True, kw_only=True)
class SegmentationResult:
    """How well a segmenter finds the classes of label maps in samples that were made of them."""

    comparison: ScoreComparison
    stamp: SegmentationStamp
    ids: tuple[str, ...]
    confusions: Mapping[str, tuple[Confusion, ...]]  # by arm, and of the real photos: the largest ones
    worst: tuple[str, ...]  # ids of the images of the last arm with the lowest scores, the lowest first
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What is compared, opened."""

    ids: tuple[str, ...]
    labels: ImageSource
    arms: Mapping[str, tuple[ImageSource, ...]]
    photos: ImageSource | None
    notes: tuple[str, ...]


def segmentation_score(
    labels: Images,
    samples: Runs | Mapping[str, Runs],
    *,
    segmenter: str | Segmenter,
    weights: Path | None = None,
    photos: Images | None = None,
    class_map: str | os.PathLike[str] | None = None,
    ignore: Sequence[int] = (),
    protocol: str | Protocol | None = None,
    judge: SegmentationScore | str = SegmentationScore.MEAN_IOU,
    margin: float | str | MarginRule | None = None,
    scope: Scope | str | None = None,
    cluster_by: str | os.PathLike[str] | ClusterRule | None = None,
    confidence: float = 0.95,
    batch_size: int = 4,
    device: str | torch.device | None = None,
    picture: Path | None = None,
    progress: ProgressFactory = silent,
) -> SegmentationResult:
    """Say how well a segmenter finds the classes of label maps in samples, and whether candidates are worse at it.

    What the command `segment score` does. Each sample is segmented, brought to the size of its label map (nearest) and
    held against it: pixel accuracy, mean accuracy, mean IoU, frequency-weighted IoU, and IoU by class, all in percent,
    with errors by image. Counts are kept by content, so that a second call segments nothing again.

    Parameters
    ----------
    labels : path-like or ImageSource
        The label maps that the samples were made of, or a data set with ``test_label`` in it.
    samples : path-like, ImageSource, a sequence or a mapping of them
        Samples of one run, or a list with a set for each training seed. A mapping of names to these: the baseline,
        then the candidates.
    segmenter : str or Segmenter
        See `find_segmenter`.
    weights : Path, optional
        The segmenter's weights, where it takes some.
    photos : path-like or ImageSource, optional
        The real photos of the label maps, for the oracle row; by default those of ``PHASE_img`` beside a
        ``PHASE_label``.
    class_map : path-like, optional
        What label numbers are in the segmenter's classes; see `find_class_map`.
    ignore : sequence of int
        Label numbers whose pixels do not count, such as 255.
    protocol : str or Protocol, optional
        Hold the images against a paper's protocol, as `compute_fid` does: which they are, at which size, and how photos
        come to it. The segmenter is still yours to choose.
    judge, margin, scope, confidence
        See `compare_segmentations`.
    cluster_by : str, path-like or ClusterRule, optional
        Which images are alike, as `parse_rule` reads it.
    batch_size : int
        Photos at a time; no result depends on it.
    device : str or torch.device, optional
        Where the segmenter computes.
    picture : Path, optional
        A PNG to write: label map, photos and what the segmenter saw, of the worst and of median images.
    progress : ProgressFactory
        Opened for each set of images.

    Returns
    -------
    SegmentationResult

    Raises
    ------
    InputError
        If options or the class map cannot be used, the segmenter has other classes, runs have other images than others
        or other sizes, or an image cannot be read.

    Examples
    --------
    >>> found = segmentation_score("data/", {"fp32": "fp32/", "amp": "amp/"}, segmenter="segmenter.pt", margin="1%")
    >>> found.comparison.verdicts[0].verdict
    """
    # Cheap failures first: options, folders and names.
    require_confidence(confidence)
    require_at_least(1, {"--batch-size": batch_size})
    require_label_numbers(ignore)
    judge = as_choice(SegmentationScore, judge, "--judge")
    margin_rule = margin if isinstance(margin, MarginRule) else parse_margin(margin)
    require_score_margin(margin_rule)
    rule = as_rule(cluster_by)
    named = named_arms(samples)
    require_seeds(margin_rule, len(next(iter(named.values()))))
    label_path, photo_path, about_photos = _data_set(labels, photos)
    inputs = _opened(label_path, named, photo_path, judge, None if protocol is None else find_protocol(protocol))
    if picture is not None:
        given = [label_path, photo_path, *(run for runs in named.values() for run in runs)]
        require_own_picture(picture, [each for each in given if not isinstance(each, ImageSource)], "--picture")
    clusters = cluster_labels(inputs.ids, rule)
    on = find_device(device)
    found = find_segmenter(segmenter, weights=weights, device=on) if isinstance(segmenter, str) else segmenter
    names = () if isinstance(label_path, ImageSource) else stored_class_names(as_path(label_path))
    map_path = None if class_map is None else Path(class_map)
    classes = find_class_map(map_path, found.classes, ignore=ignore, names=names, labels=inputs.labels.name)
    counter = PhotoSegmenter(found, classes, batch_size=batch_size, device=on)

    counted = _counted(counter, inputs, progress)
    counts = {name: [each.counts for each in runs] for name, runs in counted.arms.items()}
    baseline, *candidates = counts
    comparison = compare_segmentations(
        counts[baseline],
        {name: counts[name] for name in candidates},
        real=None if counted.real is None else counted.real.counts,
        baseline_name=baseline,
        judge=judge,
        margin=margin_rule,
        scope=scope,
        clusters=clusters,
        confidence=confidence,
    )
    order = _order(list(counts.values())[-1], judge)
    if picture is not None:
        write_png(picture, _picture(counter, classes, inputs, order))
    return SegmentationResult(
        comparison=comparison,
        stamp=SegmentationStamp(
            segmenter=found.name,
            identity=found.identity,
            classes=classes.classes,
            class_map_sha256=classes.sha256,
            size="that of the label map; predictions by the nearest pixel",
            photo_sizes=tuple(sorted(set(counted.arms[baseline][0].sizes))),
            protocol=inputs.arms[baseline][0].protocol,
        ),
        ids=inputs.ids,
        confusions={
            **({} if counted.real is None else {REAL: _confusions([counted.real], classes.classes)}),
            **{name: _confusions(runs, classes.classes) for name, runs in counted.arms.items()},
        },
        worst=tuple(inputs.ids[k] for k in order[:_WORST]),
        notes=(
            *about_photos,
            *inputs.notes,
            *counted.notes,
            *_class_notes(comparison, classes.classes, counted),
            *source_warnings([inputs.labels, inputs.photos, *(run for runs in inputs.arms.values() for run in runs)]),
        ),
    )


def named_arms(samples: Runs | Mapping[str, Runs]) -> dict[str, tuple[Images, ...]]:
    """Return the runs of each arm, by its name; raises `InputError` if there are none, or a folder is given twice."""
    named = samples if isinstance(samples, Mapping) else {"samples": samples}
    arms = {
        name: (runs,) if isinstance(runs, str | os.PathLike | ImageSource) else tuple(runs)
        for name, runs in named.items()
    }
    if not arms or not all(arms.values()):
        raise InputError("samples", expected="a folder of samples", found="none")
    require_distinct([as_path(each) for runs in arms.values() for each in runs if isinstance(each, str | os.PathLike)])
    return arms


def _data_set(labels: Images, photos: Images | None) -> tuple[Images, Images | None, tuple[str, ...]]:
    """Find the label maps of a data set, and the photos beside label maps where none are given."""
    if isinstance(labels, ImageSource):
        return labels, photos, () if photos is not None else (_NO_ORACLE,)
    path = as_path(labels)
    if (path / "test_label").is_dir():
        path = path / "test_label"
    if photos is None and path.name.endswith("_label"):
        beside = path.parent / f"{path.name.removesuffix('_label')}_img"
        if beside.is_dir():
            return path, beside, ()
    return path, photos, () if photos is not None else (_NO_ORACLE,)


def _opened(
    labels: Images,
    named: Mapping[str, Sequence[Images]],
    photos: Images | None,
    judge: SegmentationScore,
    protocol: Protocol | None,
) -> _Inputs:
    """Open all sets, and pair their images by name."""
    label_source = labels if isinstance(labels, ImageSource) else open_source(labels, generated=False)
    arms = {
        name: tuple(run if isinstance(run, ImageSource) else open_source(run) for run in runs)
        for name, runs in named.items()
    }
    photo_source = photos if photos is None or isinstance(photos, ImageSource) else open_source(photos, generated=False)
    if protocol is not None:
        protocol.require_ids(label_source.name, label_source.ids)
        arms = {name: tuple(ProtocolSource(run, protocol, photos=False) for run in runs) for name, runs in arms.items()}
        if photo_source is not None:
            photo_source = ProtocolSource(photo_source, protocol, photos=True)
    every = [(run.name, run) for runs in arms.values() for run in runs]
    sources = [label_source, *(run for _, run in every), *([] if photo_source is None else [photo_source])]
    with naming_choices(sources):
        require_unique_ids([(each.name, each.ids) for each in sources], {each.name: each.names for each in sources})
        ids = tuple(sorted(every[0][1].ids))
        for name, run in every[1:]:
            _require_same(
                name, run.ids, ids, f"a sample of each of the {len(ids)} label maps that {every[0][0]} has one of"
            )
        label_source = serving(label_source, ids)
        _require_all(label_source, ids, "label map", "Give the folder of the label maps that the samples were made of.")
        if photo_source is not None:
            photo_source = serving(photo_source, ids)
            _require_all(photo_source, ids, "real photo", "Give all of them, or leave --photos out.")
    left = len(set(label_source.ids) - set(ids))
    notes = (f"{left} label maps have no sample and are left out; {len(ids)} are scored",) if left else ()
    if len(ids) < 2:
        raise InputError(every[0][0], expected="samples of two label maps or more", found=str(len(ids)))
    return _Inputs(ids=ids, labels=label_source, arms=arms, photos=photo_source, notes=notes)


def _require_same(name: str, own: Sequence[str], ids: Sequence[str], expected: str) -> None:
    missing, more = set(ids) - set(own), set(own) - set(ids)
    if missing or more:
        parts = [f"{len(missing)} missing, such as {examples(missing)}"] if missing else []
        parts += [f"{len(more)} others, such as {examples(more)}"] if more else []
        raise InputError(
            name,
            expected=expected,
            found=" and ".join(parts),
            fix="Generate what is missing, or remove what is too much.",
        )


def _require_all(source: ImageSource, ids: Sequence[str], what: str, fix: str) -> None:
    missing = set(ids) - set(source.ids)
    if missing:
        found = f"{len(missing)} without one, such as {examples(missing)}; there are such as {examples(source.ids)}"
        raise InputError(source.name, expected=f"a {what} for each of {len(ids)} samples", found=found, fix=fix)


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """What was counted of each run, and of the real photos."""

    arms: Mapping[str, tuple[SegmentedPhotos, ...]]
    real: SegmentedPhotos | None
    notes: tuple[str, ...]


def _counted(counter: PhotoSegmenter, inputs: _Inputs, progress: ProgressFactory) -> _Counted:
    first, notes = None, []
    arms: dict[str, tuple[SegmentedPhotos, ...]] = {}
    for name, runs in inputs.arms.items():
        found = []
        for number, run in enumerate(runs, start=1):
            of_run = name if len(runs) == 1 else f"{name}, run {number} of {len(runs)}"
            with progress(f"segment {of_run}", "images") as on_progress:
                found.append(counter.count(run, inputs.labels, inputs.ids, on_progress=on_progress))
            first = found[0] if first is None else first
            _require_sizes(run.name, found[-1], first, inputs.ids)
        arms[name] = tuple(found)
    assert first is not None  # there is a baseline
    real = None
    if inputs.photos is not None:
        with progress(f"segment {REAL}", "images") as on_progress:
            real = counter.count(inputs.photos, inputs.labels, inputs.ids, sizes=first.sizes, on_progress=on_progress)
        place = {image: index for index, image in enumerate(inputs.photos.ids)}
        size = size_of(inputs.photos.load(place[inputs.ids[0]]).pixels)
        if size != first.sizes[0]:
            width, height = first.sizes[0]
            notes.append(f"{REAL} were brought to the size of their samples, such as {width} x {height} (bicubic)")
    return _Counted(arms=arms, real=real, notes=tuple(notes))


def _require_sizes(name: str, found: SegmentedPhotos, first: SegmentedPhotos, ids: Sequence[str]) -> None:
    """Raise `InputError` unless the samples of two runs have one size: a segmenter sees less in smaller photos."""
    for image, own, other in zip(ids, found.sizes, first.sizes, strict=True):
        if own != other:
            raise InputError(
                name,
                expected=f"samples of the baseline's size, {other[0]} x {other[1]} pixels for {image}",
                found=f"{own[0]} x {own[1]}",
                fix="Generate all arms at one size: a segmenter finds other things in photos of another one.",
            )


def _order(runs: Sequence[ClassCounts], judge: SegmentationScore) -> list[int]:
    """Return the places of images by their own score, the lowest first; those without a pixel that counts last."""
    scores = np.mean([image_scores(run, judge) for run in runs], axis=0)
    return [int(k) for k in np.argsort(np.where(np.isnan(scores), np.inf, scores), kind="stable")]


def _confusions(runs: Sequence[SegmentedPhotos], classes: Sequence[str]) -> tuple[Confusion, ...]:
    """Return the pairs of classes of which the largest share of the true class is taken for the other."""
    matrix = np.sum([run.confusion for run in runs], axis=0).astype(np.float64)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    places = np.argsort(-shares, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(int(k), len(classes)) for k in places]
    return tuple(
        Confusion(true=classes[i], predicted=classes[j], share=float(shares[i, j]))
        for i, j in pairs
        if shares[i, j] > 0
    )


def _class_notes(comparison: ScoreComparison, classes: Sequence[str], counted: _Counted) -> list[str]:
    names = np.array(classes)
    there, occurs, held = (np.array(each) for each in (comparison.counted, comparison.occurs, comparison.held_by))
    notes = []
    if nowhere := names[~occurs].tolist():
        notes.append(f"in no label map and no prediction, and left out: {', '.join(nowhere)}")
    if only := names[occurs & ~there].tolist():
        notes.append(
            f"predicted, but in no label map, and so in no mean: {', '.join(only)}. Scripts that count their IoU of 0 "
            "print a lower mean IoU"
        )
    if few := names[there & (held < FEW_MAPS)].tolist():
        notes.append(
            f"in fewer than {FEW_MAPS} label maps: {', '.join(few)}; in the mean IoU they count as much as any other"
        )
    seen = () if comparison.real is None else comparison.real.classes
    known = {name: each.value for name, each in zip(classes, seen, strict=False) if each is not None}
    if blind := [name for name in names[there] if known.get(name, 100) < _HARDLY]:
        notes.append(
            f"hardly found in {REAL} either (IoU below {_HARDLY} %): {', '.join(blind)}; what became of them in the "
            "samples this segmenter cannot tell, whatever the verdict is"
        )
    return notes


def _picture(counter: PhotoSegmenter, classes: ClassMap, inputs: _Inputs, order: Sequence[int]) -> Pixels:
    """Draw the worst and the median images: label map, and photo and classes of real photo, baseline and last arm."""
    middle = (len(order) - _MEDIAN) // 2
    rows = list(dict.fromkeys([*order[:_WORST], *order[max(0, middle) : max(0, middle) + _MEDIAN]]))
    shown = [(name, runs[0]) for name, runs in inputs.arms.items()]
    shown = [*([] if inputs.photos is None else [("real", inputs.photos)]), *dict([shown[0], shown[-1]]).items()]
    tiles, captions = [], []
    for k in rows:
        image = inputs.ids[k]
        place = inputs.labels.ids.index(image)
        truth = classes.true_classes(label_numbers(inputs.labels, place), inputs.labels.describe(place))
        photos = [source.load(source.ids.index(image)).pixels for _, source in shown]
        size = size_of(photos[-1])
        row = [_coloured(at_size(truth, size), len(classes.classes))]
        for photo in photos:
            scaled = resized(photo, size)
            row += [scaled, _coloured(counter.classes_of(scaled, size), len(classes.classes))]
        tiles.append(row)
        captions.append(f"{image}   {'worst' if k in order[:_WORST] else 'median'}")
    names = ["label map", *(text for name, _ in shown for text in (name, "segmented"))]
    return picture_grid(tiles, names, captions)


def _coloured(classes: npt.NDArray[np.int64], count: int) -> Pixels:
    """Colour classes; pixels that do not count are black."""
    colours = label_colours(np.maximum(classes, 0), count)
    colours[classes < 0] = 0
    return colours
