"""Which needs fewer images to show the same harm, FID or what a segmenter finds in the images?

The samples of one checkpoint are harmed to several degrees: blurred, with noise, or generated from label maps of which
some segments have a wrong class. Both rulers hold each set against the unharmed samples, paired by label map: the
change with its standard error, and the number of images at which a change so large is found with a power of 80 %. That
number is then tried out on random subsets of so many images.

    python benchmarks/segmentation_or_fid.py DATA RUN --segmenter FILE --work DIR --json FILE --figure FILE.png

DATA is a data set in pix2pixHD's layout; RUN a run folder with samples of its test maps; the segmenter is what
`p2phd-eval segment train` wrote. What is done is kept in DIR. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from measuring import describe_machine, kept, today
from scipy import ndimage

from p2phd_eval.features.extract_features import extract_features
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.files import write_json
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.segmentation.class_map import find_class_map
from p2phd_eval.segmentation.find_segmenter import find_segmenter
from p2phd_eval.segmentation.segment_photos import PhotoSegmenter
from p2phd_eval.segmentation.trained_file import read_header
from p2phd_eval.stats.confidence import t_interval
from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.errors.intervals import at_n_error
from p2phd_eval.stats.segmentation.class_counts import ClassCounts, segmentation_scores
from p2phd_eval.stats.segmentation.compared_scores import compare_segmentations
from p2phd_eval.stats.segmentation.score_names import SegmentationScore
from p2phd_eval.stats.verdicts.power import VarianceComponents
from p2phd_eval.stats.verdicts.sample_size import plan_sizes

Pixels = npt.NDArray[np.uint8]
CPU = torch.device("cpu")

BLURS = (0.7, 1.2)  # standard deviations in pixels
NOISES = (6.0, 16.0)  # standard deviations in grey values
WRONG = (0.1, 0.3)  # of the segments
_SMALLEST_SEGMENT = 20  # pixels
_LEAST, _TRIED = 6, 0.75  # images of a subset at least, and as a share of all at most
_SUBSETS = 20


def main() -> None:
    """Print a line a harm and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--segmenter", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where sets and numbers are kept")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--figure", type=Path, required=True)
    arguments = parser.parse_args()
    machine = describe_machine()
    judge = Judge(arguments.data, arguments.segmenter, arguments.work)
    base = judge.measured("unharmed", arguments.run / "samples" / "fp32")
    harms = []
    for name, make in harms_of(arguments.data, arguments.run, arguments.work):
        row = {"harm": name, **kept(arguments.work / f"{name}.json", functools.partial(judge.row, name, make, base))}
        harms.append(row)
        print(row, flush=True)
    draw(harms, arguments.figure)
    write_json(
        arguments.json,
        {
            "date": today(),
            "machine": machine,
            "images": len(judge.ids),
            "segmenter": msgspec.to_builtins(read_header(arguments.segmenter)),
            "mean_iou": segmentation_scores(base.counts)[SegmentationScore.MEAN_IOU],
            "fid": base.fid(judge.real),
            "harms": harms,
        },
    )


class Measured:
    """Features and class counts of a set of images, in the order of the ids."""

    def __init__(self, features: npt.NDArray[np.float32], counts: ClassCounts) -> None:
        self.features, self.counts = features, counts

    def fid(self, real: npt.NDArray[np.float32]) -> float:
        """Return the FID against the real photos' features."""
        return fid_influence(real, self.features).distance.value

    def rows(self, places: Sequence[int]) -> Measured:
        """Return those of some images."""
        return Measured(self.features[places], self.counts.rows(places))


class Judge:
    """Measures sets of images by both rulers."""

    def __init__(self, data: Path, segmenter: Path, work: Path) -> None:
        self.work = work
        found = find_segmenter(str(segmenter), weights=None, device=CPU)
        classes = find_class_map(None, found.classes, ignore=read_header(segmenter).recipe.ignore)
        self.segmenter = PhotoSegmenter(found, classes, device=CPU, folder=work / "counts")
        self.labels = open_source(data / "test_label", generated=False)
        self.ids = sorted(self.labels.ids)
        self.real = self._features("real", data / "test_img")

    def measured(self, name: str, folder: Path) -> Measured:
        """Return what both rulers need of a folder of images."""
        counts = self.segmenter.count(open_source(folder), self.labels, self.ids).counts
        return Measured(self._features(name, folder), counts)

    def _features(self, name: str, folder: Path) -> npt.NDArray[np.float32]:
        file = self.work / "features" / f"{name}.npz"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            extract_features(folder, file)
        found = FeatureSet.load(file)
        order = [found.ids.index(each) for each in self.ids]
        values: npt.NDArray[np.float32] = found.values[order]
        return values

    def row(self, name: str, make: Callable[[], Path], base: Measured) -> dict[str, Any]:
        """Return how both rulers see one harm."""
        harmed = self.measured(name, make())
        found: dict[str, Any] = {}
        for ruler, change in (("fid", self._fid_change), ("mean_iou", _iou_change)):
            difference, error = change(base, harmed, range(len(self.ids)))
            needed = images_needed(difference, error, len(self.ids))
            power = None
            if needed is not None and needed <= _TRIED * len(self.ids):
                rng = np.random.default_rng(0)
                tried = max(needed, _LEAST)
                hits = 0
                for _ in range(_SUBSETS):
                    places = rng.choice(len(self.ids), tried, replace=False).tolist()
                    value, spread = change(base, harmed, places)
                    low, high = t_interval(value, spread, 0.95)
                    hits += low > 0 if difference > 0 else high < 0
                power = {"images": tried, "found": hits / _SUBSETS}
            found[ruler] = {"change": difference, "se": error.value, "images_needed": needed, "power_of_subsets": power}
        return found

    def _fid_change(self, base: Measured, harmed: Measured, places: Sequence[int]) -> tuple[float, StandardError]:
        chosen = list(places)
        influences = [fid_influence(self.real[chosen], each.features[chosen]) for each in (base, harmed)]
        design = SamplingDesign.paired(len(chosen), 3)
        values = [each.distance.value for each in influences]
        return values[1] - values[0], at_n_error(influences, (-1.0, 1.0), design)


def _iou_change(base: Measured, harmed: Measured, places: Sequence[int]) -> tuple[float, StandardError]:
    chosen = list(places)
    found = compare_segmentations([base.counts.rows(chosen)], {"harmed": [harmed.counts.rows(chosen)]})
    difference = found.arms[1].differences[SegmentationScore.MEAN_IOU]
    return difference.estimate, difference.error


def images_needed(difference: float, error: StandardError, images: int) -> int | None:
    """Return with how many images a difference so large is found with a power of 80 %; None: with no number."""
    if not error.value or not difference:
        return None
    components = VarianceComponents(
        image_sd=error.value * images**0.5,
        n_images=images,
        seed_sd_baseline=None,
        seed_sd_candidate=None,
        runs_baseline=1,
        runs_candidate=1,
    )
    return plan_sizes(components, abs(difference)).rows[0].images_detect


def harms_of(data: Path, run: Path, work: Path) -> list[tuple[str, Callable[[], Path]]]:
    """Return the harms by name, each with what makes its folder of images."""
    samples = run / "samples" / "fp32"
    changes = {**{f"blur-{sigma:g}": _blur(sigma) for sigma in BLURS}, **{f"noise-{sd:g}": _noise(sd) for sd in NOISES}}
    return [
        *((name, functools.partial(_changed, samples, work, name, change)) for name, change in changes.items()),
        *((f"wrong-{share:g}", functools.partial(_wrong_classes, data, run, work, share)) for share in WRONG),
    ]


Change = Callable[[Pixels, np.random.Generator], npt.NDArray[np.floating[Any]]]


def _blur(sigma: float) -> Change:
    return lambda image, rng: ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0))


def _noise(sd: float) -> Change:
    return lambda image, rng: image + rng.normal(0, sd, image.shape)


def _changed(samples: Path, work: Path, name: str, change: Change) -> Path:
    for number, path in enumerate(sorted(samples.glob("*.png"))):
        harmed = change(read_rgb(path), np.random.default_rng([number, 7]))
        write_png(work / "sets" / name / path.name, harmed.round().clip(0, 255).astype(np.uint8))
    return work / "sets" / name


def _wrong_classes(data: Path, run: Path, work: Path, share: float) -> Path:
    """Generate from label maps of which a share of the segments has the class of another segment of the map."""
    name = f"wrong-{share:g}"
    labels = open_source(data / "test_label", generated=False)
    for number in range(len(labels)):
        label = labels.load_labels(number)
        write_png(
            work / "maps" / name / "test_label" / f"{labels.ids[number]}.png",
            _with_wrong_segments(label, share, np.random.default_rng([number, 11])),
        )
    generate(run, work / "maps" / name, work / "sets" / name, device="cpu")
    return work / "sets" / name


def _with_wrong_segments(label: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    changed: Pixels = label.copy()
    classes = np.unique(label)
    for number in classes:
        segments, count = ndimage.label(label == number)
        for segment in range(1, count + 1):
            where = segments == segment
            if where.sum() >= _SMALLEST_SEGMENT and rng.random() < share and len(classes) > 1:
                changed[where] = rng.choice(classes[classes != number])
    return changed


def draw(harms: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw how many images each ruler needs, a panel for each kind of harm; hollow: it takes the harm for better."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    kinds = {"blur": "blur, sd in pixels", "noise": "noise, sd in grey values", "wrong": "segments of a wrong class"}
    figure, axes = plt.subplots(1, len(kinds), figsize=(10, 3.4), sharey=True, layout="constrained")
    for axis, (kind, label) in zip(axes, kinds.items(), strict=True):
        rows = [each for each in harms if each["harm"].startswith(kind)]
        strengths = [float(each["harm"].partition("-")[2]) for each in rows]
        for ruler, name, colour, worse in (("fid", "FID", "tab:orange", 1), ("mean_iou", "mean IoU", "tab:blue", -1)):
            needed = [each[ruler]["images_needed"] or np.nan for each in rows]
            axis.plot(strengths, needed, color=colour, label=name)
            fills = [colour if worse * each[ruler]["change"] > 0 else "white" for each in rows]
            axis.scatter(strengths, needed, c=fills, edgecolors=colour, zorder=3)
        axis.set_xlabel(label)
        axis.set_yscale("log")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("images to find it, power 80 %")
    axes[0].legend(frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
