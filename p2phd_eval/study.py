"""Arms to a verdict: train, generate, compute features and compare; every artefact is reused when run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.decoding import read_rgb
from p2phd_eval.features.extraction import FeatureExtractor, FeatureSettings
from p2phd_eval.features.weights import find_weights
from p2phd_eval.generators.sampling import SampleResult, generate
from p2phd_eval.generators.training import TrainResult, Watchers, train
from p2phd_eval.generators.triplets import find_triplets, folder_names, read_map, read_photo
from p2phd_eval.images import write_png
from p2phd_eval.pictures import difference_column, evenly_spaced, label_colours, picture_grid
from p2phd_eval.progress import ProgressFactory
from p2phd_eval.sources.open import open_source
from p2phd_eval.stats.margins import MarginRule
from p2phd_eval.stats.set_comparison import ComparisonResult, FeatureArm, compare_feature_sets


class StudyInterrupted(Exception):
    """A signal stopped the study; everything finished is on disk and the same call goes on from there."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.signum = signum


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm of a study: what distinguishes its training from the others'."""

    name: str
    precision: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """What an arm made."""

    arm: Arm
    training: TrainResult
    samples: SampleResult


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """A finished study; the first arm is the baseline."""

    arms: tuple[ArmResult, ...]
    comparison: ComparisonResult
    photos: Path  # the folder of real photos that the arms were compared with
    picture: Path  # PNG: label, photo, the first two arms and their difference


def run_study(
    data: Path,
    out: Path,
    base: TrainConfig,
    arms: Sequence[Arm],
    *,
    device: torch.device,
    margin: MarginRule | None,
    weights: Path | None,
    progress: ProgressFactory,
) -> StudyResult:
    """Train every arm, generate the test set with each, and compare them with the first.

    Parameters
    ----------
    data : Path
        A data set in pix2pixHD's layout with phases "train" and "test", photos in both.
    out : Path
        Folder of the study: `<arm>/` is a run folder with `samples/` in it; `features/*.npz` are those of the photos
        ("real") and of each arm; `comparison.png`.
    base : TrainConfig
        Of all arms, but for precision and seed.
    arms : sequence of Arm
        Two or more; the first is the baseline. Its seed is that of the comparison too.
    device : torch.device
    margin : MarginRule or None
        See `compare_feature_sets`.
    weights : Path or None
        Inception weights; by default those of the cache, fetched if need be.
    progress : ProgressFactory

    Raises
    ------
    InputError
        As `train`, `generate`, `FeatureExtractor` and `compare_feature_sets` do.
    StudyInterrupted
        If a signal stopped the training.
    """
    # The cheap failure first: without weights, an hour of training would end in an error.
    with progress("fetch Inception weights", "bytes") as on_progress:
        find_weights(weights, on_progress=on_progress)

    results = []
    for arm in arms:
        run = out / arm.name
        with progress(f"train {arm.name}", "steps") as on_progress:
            config = replace(base, precision=arm.precision, seed=arm.seed)
            training = train(config, data, run, device=device, resume=True, watchers=Watchers(on_progress=on_progress))
        if training.stopped_by is not None:
            raise StudyInterrupted(training.stopped_by)
        with progress(f"generate {arm.name}", "images") as on_progress:
            style = None if base.features.kind == "none" else "photo"
            samples = generate(run, data, run / "samples", device=device, style=style, on_progress=on_progress)
        results.append(ArmResult(arm=arm, training=training, samples=samples))

    photos = data / folder_names("test", base.data)[2]
    folders = (photos, *(result.samples.folder for result in results))
    extractor = FeatureExtractor(FeatureSettings(weights=weights, device=str(device)), progress=progress)
    features = [extractor(open_source(folder)) for folder in folders]
    for name, values in zip(("real", *(arm.name for arm in arms)), features, strict=True):
        values.save(out / "features" / f"{name}.npz")
    comparison = compare_feature_sets(
        features[0],
        [FeatureArm(name=arm.name, runs=(values,)) for arm, values in zip(arms, features[1:], strict=True)],
        margin=margin,
        seed=arms[0].seed,
        progress=progress,
    )
    picture = out / "comparison.png"
    write_png(picture, _side_by_side(data, base, results[:2]))
    return StudyResult(arms=tuple(results), comparison=comparison, photos=photos, picture=picture)


def _side_by_side(data: Path, config: TrainConfig, results: Sequence[ArmResult]) -> npt.NDArray[np.uint8]:
    triplets = find_triplets(data, "test", config.data, photos=True)
    rows = []
    for triplet in (triplets[i] for i in evenly_spaced(len(triplets))):
        assert triplet.photo is not None
        if config.data.label_nc:
            label = label_colours(np.asarray(read_map(triplet.label)), config.data.label_nc)
        else:
            label = np.asarray(read_photo(triplet.label))
        samples = [read_rgb(result.samples.folder / f"{triplet.label.stem}.png") for result in results]
        rows.append([label, read_rgb(triplet.photo), *samples])
    captions = ["label", "photo", *(result.arm.name for result in results)]
    return picture_grid(rows, difference_column(rows, captions, 3, 2))
