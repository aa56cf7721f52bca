"""Do two precisions still agree on maps that no data set holds? Samples of edited maps, by the runs of several arms."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import torch

from p2phd_eval.devices import describe_device, find_device
from p2phd_eval.editing.apply_edits import AppliedEdit, apply_edits, read_applied
from p2phd_eval.editing.data_scenes import DataScenes, read_maps
from p2phd_eval.editing.edit_distances import PLACES, ComparedEdit, EditDistances, Place, measure_edits
from p2phd_eval.editing.edit_judge import EditJudge
from p2phd_eval.editing.edit_strip import StripRow, edit_strip
from p2phd_eval.editing.edits import kind_of_edit
from p2phd_eval.editing.paired_runs import EditedArm, EditedRun, open_arms, recipe_notes
from p2phd_eval.editing.scene import Labels, split_colours
from p2phd_eval.editing.script import EditScript, read_script, scenes_for
from p2phd_eval.errors import InputError, as_choice, shown
from p2phd_eval.evaluation.arms import ArmFolders
from p2phd_eval.formatting import number_text
from p2phd_eval.generators.data.contents import image_name
from p2phd_eval.generators.data.triplets import find_triplets
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.images.decoding import open_image
from p2phd_eval.images.pictures import label_colours
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.quality.distance_maps import LPIPS, MSE, SSIM, DistanceMaps
from p2phd_eval.quality.image_distance import QualityMetric
from p2phd_eval.quality.lpips import find_lpips
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.verdicts.equivalence import holm
from p2phd_eval.stats.verdicts.widening import (
    EditTables,
    Estimate,
    ShareMargin,
    Widening,
    judge_together,
    parse_share,
    widening,
)

EDITED = "edited"  # the data set with each edit alone, below the folder of a comparison
_RUNS = "runs"
_EVERY = "all"
STRIP = "worst.png"  # the picture of the worst edits, likewise
Pixels = npt.NDArray[np.uint8]
EditSamples = Callable[[int], tuple[Pixels, Pixels]]


_JUDGED = {EditJudge.MSE: MSE, EditJudge.SSIM: SSIM, EditJudge.LPIPS: LPIPS}


@dataclass(frozen=True, kw_only=True)
class WideningRow:
    """How much the edits of one kind widen one distance at one place."""

    distance: str
    place: Place
    kind: str  # of edits; "all"
    widening: Widening
    p_holm: float  # of no widening, adjusted for all kinds in this distance and place; of "all" its own


@dataclass(frozen=True, kw_only=True)
class LocalityRow:
    """How much the samples of both arms change outside of what was edited.

    All networks see whole maps: instance norm does, and batch norm too, as it takes the statistics of the one image.
    """

    distance: str
    baseline: Estimate
    candidate: Estimate
    difference: Estimate  # candidate - baseline


@dataclass(frozen=True, kw_only=True)
class EditedCandidate:
    """What editing does to the gap between a candidate and the baseline."""

    name: str
    judged: Widening  # of the judged distance inside, with the verdict
    rows: tuple[WideningRow, ...]
    locality: tuple[LocalityRow, ...]


@dataclass(frozen=True, kw_only=True)
class EditComparison:
    """Edits under several arms."""

    arms: tuple[EditedArm, ...]  # the baseline first
    script: EditScript
    precision: str  # of generation
    judge: QualityMetric
    margin: ShareMargin | None
    confidence: float
    distances: EditDistances
    candidates: tuple[EditedCandidate, ...]
    worst: tuple[ComparedEdit, ...]  # of the first candidate: where the judged gap widened most
    notes: tuple[str, ...]


def compare_edits(
    data: str | Path,
    arms: Sequence[ArmFolders],
    script: str | Path,
    out: str | Path,
    *,
    margin: str | ShareMargin | None = "10%",
    judge: EditJudge | str = EditJudge.MSE,
    confidence: float = 0.95,
    precision: str = "fp32",
    seed: int = 0,
    lpips_weights: Path | None = None,
    device: str | torch.device | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> EditComparison:
    """Generate the samples of a data set and those of its edits, each alone, by all runs, and compare the arms.

    Samples that an earlier call finished are kept, as by `generate`.

    Parameters
    ----------
    data : str or Path
        The data set that the script is for.
    arms : sequence of ArmFolders
        The baseline, then one candidate or more: run folders or checkpoints, which pair by their training seeds.
    script : str or Path
        See `apply_edits`.
    out : str or Path
        The folder for the edited maps and all samples.
    margin : str, ShareMargin or None
        A widening that still counts as none; see `parse_share`.
    judge : EditJudge or its value
        What the verdict is about, inside of what was edited.
    confidence : float
        In (0.5, 1).
    precision : str
        Of generation, for all runs.
    seed : int
        Draws the styles.
    lpips_weights : Path, optional
        See `find_lpips`.
    device : str or torch.device, optional
    progress : ProgressFactory
    note : callable

    Returns
    -------
    EditComparison

    Raises
    ------
    InputError
        As `open_arms`, `apply_edits` and `generate`; if fewer than two images have edits, or LPIPS is to be judged and
        its weights cannot be had.
    """
    # What takes no time fails first: options, the script, the runs, the data.
    require_confidence(confidence)
    judged = _JUDGED[as_choice(EditJudge, judge, "--judge")]
    margin = parse_share(margin) if isinstance(margin, str) else margin
    data, out, on = Path(data), Path(out), find_device(device)
    edits = read_script(Path(script))
    if len(images := {edit.image for edit in edits.edits}) < 2:
        only = f"edits of {shown(*images)} alone" if images else "no edits"
        raise InputError(str(script), expected="edits of two images or more", found=only)
    opened = open_arms(arms, data, edits, progress=progress)
    lpips, why_not = find_lpips(lpips_weights, on)
    measure = DistanceMaps(lpips, on)
    if judged not in measure.metrics:
        raise InputError("--judge lpips", expected="the weights of LPIPS", found="none", fix=why_not[0])
    scenes = scenes_for(edits, data, str(script), progress)
    apply_edits(scenes, script, out / EDITED, alone=True, progress=progress)
    note(f"device: {describe_device(on)}, generation in {precision}")
    runs = [(arm, run) for arm in opened for run in arm.runs]
    for count, (arm, run) in enumerate(runs, start=1):
        for name, maps in (("original", data), (EDITED, out / EDITED)):
            about = f"{arm.name}, seed {run.seed}, {name}, run {count} of {len(runs)}"
            generate(
                run.source,
                maps,
                samples_of(out, arm, run) / name,
                phase=edits.phase,
                precision=precision,
                batch_size=1,  # so that a sample does not depend on which others it is generated with
                seed=seed,
                device=on,
                progress=_named(progress, about),
            )
    applied = read_applied(out / EDITED).edits
    samples = edit_samples(out, opened, scenes, applied, edits.phase)
    found = _measured(out, opened, scenes, applied, samples, measure, progress)
    worst = _worst(found, opened, judged)
    write_png(out / STRIP, _strip(found, opened, worst, judged, scenes, applied, samples, out))
    left_out = [edit for k, edit in enumerate(found.edits) if not _known(found, k)]
    notes = [*recipe_notes(opened), *why_not]
    if left_out:
        notes.append(
            f"{len(left_out)} of {len(found.edits)} edits change no pixel at the samples' size, and are left out, such "
            f"as edit {left_out[0].number}."
        )
    judgements = [_candidate(found, opened, k, judged, margin, confidence) for k in range(1, len(opened))]
    verdicts = judge_together([each.judged for each in judgements])
    return EditComparison(
        arms=opened,
        script=edits,
        precision=precision,
        judge=judged,
        margin=margin,
        confidence=confidence,
        distances=found,
        candidates=tuple(
            dataclasses.replace(each, judged=verdict) for each, verdict in zip(judgements, verdicts, strict=True)
        ),
        worst=tuple(found.edits[k] for k in worst),
        notes=tuple(notes),
    )


def samples_of(out: Path, arm: EditedArm, run: EditedRun) -> Path:
    """Return the folder of a run's samples, `original` and `edited`, below that of the comparison."""
    return out / _RUNS / f"{quote(arm.name, safe=' ')}-seed{run.seed}"  # no two names in one folder


def edit_samples(
    out: Path, arms: Sequence[EditedArm], scenes: DataScenes, applied: Sequence[AppliedEdit], phase: str
) -> EditSamples:
    """Return what reads the samples of all runs for an edit's position, of its map as it was and edited.

    uint8 (runs, H, W, 3) each. It raises `InputError` for a sample that cannot be read.
    """
    edited = find_triplets(out / EDITED, phase, scenes.config, photos=False)
    names = {triplet.label.relative_to(out / EDITED).as_posix(): image_name(triplet) for triplet in edited}
    originals = {key: image_name(triplet) for key, triplet in scenes.triplets.items()}
    folders = [samples_of(out, arm, run) for arm in arms for run in arm.runs]
    sources = {name: [open_source(folder / name) for folder in folders] for name in ("original", EDITED)}
    places = {
        name: [{image: k for k, image in enumerate(source.names)} for source in each] for name, each in sources.items()
    }

    def read(kind: str, image: str) -> Pixels:
        found = [source.load(place[image]).pixels for source, place in zip(sources[kind], places[kind], strict=True)]
        return np.stack(found)

    def samples(k: int) -> tuple[Pixels, Pixels]:
        return read("original", originals[applied[k].edit.image]), read(EDITED, names[applied[k].label])

    return samples


def _named(progress: ProgressFactory, about: str) -> ProgressFactory:
    return lambda what, unit: progress(f"{about}: {what}", unit)


def _measured(
    out: Path,
    arms: Sequence[EditedArm],
    scenes: DataScenes,
    applied: Sequence[AppliedEdit],
    samples: EditSamples,
    measure: DistanceMaps,
    progress: ProgressFactory,
) -> EditDistances:
    first, _ = samples(0)
    measure.require_size(first.shape[2], first.shape[1], f"samples of {applied[0].edit.image}")
    edits = []
    for each in applied:
        height, width = scenes.scene(each.edit.image).label.shape
        edits.append(
            ComparedEdit(
                number=each.number,
                kind=kind_of_edit(each.edit),
                image=each.edit.image,
                inside=each.pixels / (height * width),
            )
        )
    with progress("compare", "edits") as on_progress:
        return measure_edits(
            edits,
            samples,
            lambda k: read_area(out / EDITED / applied[k].area),
            _pairs(arms),
            sum(len(arm.runs) for arm in arms),
            measure,
            on_progress=on_progress,
        )


def read_area(path: Path) -> npt.NDArray[np.bool_]:
    """Return what an edit changed, bool (h, w), from its picture; raises `InputError` if it cannot be read."""
    area: npt.NDArray[np.bool_] = np.asarray(open_image(path)) > 0
    return area


def _pairs(arms: Sequence[EditedArm]) -> list[tuple[int, int]]:
    """Pairs of runs: those of one seed of the baseline and each candidate, then those of the baseline's own seeds."""
    count = len(arms[0].runs)
    pairs = [(k, arm * count + k) for arm in range(1, len(arms)) for k in range(count)]
    return [*pairs, *itertools.combinations(range(count), 2)]


def _rows_of(found: EditDistances, arms: Sequence[EditedArm], candidate: int) -> tuple[slice, slice]:
    """Where the pairs of a candidate with the baseline stand, and those of the baseline's seeds."""
    count = len(arms[0].runs)
    return slice((candidate - 1) * count, candidate * count), slice((len(arms) - 1) * count, len(found.pairs))


def _known(found: EditDistances, k: int) -> bool:
    return bool(np.isfinite(found.original[MSE.name, "inside"][0, k]))


def _widening(
    found: EditDistances,
    rows: tuple[slice, slice],
    distance: str,
    place: Place,
    among: Sequence[int],
    margin: ShareMargin | None,
    confidence: float,
) -> Widening | None:
    """Judge some edits; None where fewer than two images have pixels there."""
    own, seeds = rows
    tables = [each[distance, place] for each in (found.original, found.edited)]
    kept = [k for k in among if np.isfinite(tables[0][0, k])]
    images = [found.edits[k].image for k in kept]
    if len(set(images)) < 2:
        return None
    several = seeds.stop > seeds.start
    return widening(
        tables[0][own][:, kept],
        tables[1][own][:, kept],
        images,
        seeds_original=tables[0][seeds][:, kept] if several else None,
        seeds_edited=tables[1][seeds][:, kept] if several else None,
        margin=margin,
        confidence=confidence,
    )


def _candidate(
    found: EditDistances,
    arms: Sequence[EditedArm],
    candidate: int,
    judge: QualityMetric,
    margin: ShareMargin | None,
    confidence: float,
) -> EditedCandidate:
    by_kind: dict[str, list[int]] = {_EVERY: list(range(len(found.edits)))}
    for k, edit in enumerate(found.edits):
        by_kind.setdefault(edit.kind, []).append(k)
    rows_of = _rows_of(found, arms, candidate)
    rows: list[WideningRow] = []
    for distance, place in itertools.product(found.metrics, PLACES):
        judged = {
            kind: each
            for kind, among in by_kind.items()
            if (each := _widening(found, rows_of, distance.name, place, among, margin, confidence)) is not None
        }
        kinds = [kind for kind in judged if kind != _EVERY]
        adjusted = dict(zip(kinds, holm([judged[kind].estimate.p_value for kind in kinds]), strict=True))
        rows += [
            WideningRow(
                distance=distance.name,
                place=place,
                kind=kind,
                widening=each,
                p_holm=adjusted.get(kind, each.estimate.p_value),
            )
            for kind, each in judged.items()
        ]
    main = [row.widening for row in rows if (row.distance, row.place, row.kind) == (judge.name, "inside", _EVERY)]
    if not main:
        raise InputError(
            "script", expected="edits of two images or more that change a pixel at the samples' size", found="fewer"
        )
    return EditedCandidate(
        name=arms[candidate].name,
        judged=main[0],
        rows=tuple(rows),
        locality=_locality(found, arms, candidate, confidence),
    )


def _locality(
    found: EditDistances, arms: Sequence[EditedArm], candidate: int, confidence: float
) -> tuple[LocalityRow, ...]:
    count = len(arms[0].runs)
    rows = []
    for distance in found.metrics:
        changed = found.changed[distance.name]
        kept = [k for k in range(len(found.edits)) if np.isfinite(changed[0, k])]
        images = [found.edits[k].image for k in kept]
        if len(set(images)) < 2:
            continue
        tables = EditTables(images, count)
        own, other = changed[:count, kept], changed[candidate * count : (candidate + 1) * count, kept]
        rows.append(
            LocalityRow(
                distance=distance.name,
                baseline=tables.estimate(own, confidence),
                candidate=tables.estimate(other, confidence),
                difference=tables.estimate(other - own, confidence),
            )
        )
    return tuple(rows)


def _worst(found: EditDistances, arms: Sequence[EditedArm], judge: QualityMetric, at_most: int = 6) -> list[int]:
    """Positions of the edits of which the first candidate's gap widened most."""
    own, _ = _rows_of(found, arms, 1)
    place = judge.name, PLACES[0]
    wider = (found.edited[place][own] - found.original[place][own]).mean(axis=0)
    order = np.argsort(-np.nan_to_num(wider, nan=-np.inf), kind="stable").tolist()
    return [k for k in order if np.isfinite(wider[k])][:at_most]


def _strip(
    found: EditDistances,
    arms: Sequence[EditedArm],
    worst: Sequence[int],
    judge: QualityMetric,
    scenes: DataScenes,
    applied: Sequence[AppliedEdit],
    samples: EditSamples,
    out: Path,
) -> Pixels:
    """Draw the worst edits by the pair of runs whose gap widened most."""
    edited = find_triplets(out / EDITED, scenes.phase, scenes.config, photos=False)
    triplets = {triplet.label.relative_to(out / EDITED).as_posix(): triplet for triplet in edited}
    own, _ = _rows_of(found, arms, 1)
    place = judge.name, PLACES[0]

    def paint(label: Labels) -> Pixels:
        classes = scenes.config.label_nc
        return label_colours(label, classes) if classes else split_colours(label)

    rows = []
    for k in worst:
        edit = found.edits[k]
        before, after = (each[place][own][:, k] for each in (found.original, found.edited))
        pair = int(np.argmax(after - before))
        rows.append(
            StripRow(
                caption=f"edit {edit.number}, {edit.kind}, {edit.image}, seed {arms[0].seeds[pair]}: "
                f"{judge.name} inside {number_text(before[pair])} -> {number_text(after[pair])}",
                maps=(
                    paint(scenes.scene(edit.image).label),
                    paint(read_maps(triplets[applied[k].label], scenes.config)[0]),
                ),
                samples=samples(k),
                runs=found.pairs[own][pair],
            )
        )
    return edit_strip(rows, (arms[0].name, arms[1].name))
