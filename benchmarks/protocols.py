"""With how many images an interval tells an FID of 71.8 from one of 63, by stand-ins for two generators.

The stand-ins are driving photos that were spoilt, blurred, noisy or compressed, each photo in each way: sets whose FID
is of that order, against the photos themselves. Of every two of them it is asked how far an image's pull on the
difference of their FIDs spreads, and of every one how far on its own FID. What a difference of 8.8 takes then follows
as in `plan`. Two generators differ more than two strengths of one blur and less than blur and noise, so that the pairs
are a range.

    python benchmarks/protocols.py --photos FOLDER --work DIR --json FILE
"""

from __future__ import annotations

import argparse
import io
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measuring import describe_machine, today
from PIL import Image, ImageFilter

from p2phd_eval import FeatureSettings, extract_features
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.files import write_json
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.errors.intervals import at_n_error
from p2phd_eval.stats.verdicts.power import VarianceComponents
from p2phd_eval.stats.verdicts.sample_size import plan_sizes

PUBLISHED, FOUND = 71.8, 63.0
SHOWN = 500  # images of Cityscapes' validation set


def main() -> None:
    """Print a line a pair and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="such as CamVid's test photos")
    parser.add_argument("--work", type=Path, required=True, help="where spoilt photos and features are kept")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    machine = describe_machine()
    real = _features(arguments.photos, arguments.work / "photos.npz")
    n = len(real)
    made = {name: _spoilt(name, arguments.photos, arguments.work) for name in SPOILING}
    of_one, of_two = SamplingDesign.paired(n, 2), SamplingDesign.paired(n, 3)
    influences = {name: fid_influence(real.values, each.values) for name, each in made.items()}
    sets = []
    for name, each in influences.items():
        se = at_n_error([each], (1.0,), of_one).value
        sets.append({"set": name, "fid": each.distance.value, "se": se, "se_at_500": se * math.sqrt(n / SHOWN)})
        print(sets[-1], flush=True)
    pairs = []
    for first, second in itertools.combinations(made, 2):
        se = at_n_error([influences[first], influences[second]], (-1.0, 1.0), of_two).value
        components = VarianceComponents(
            image_sd=se * math.sqrt(n),
            n_images=n,
            seed_sd_baseline=None,
            seed_sd_candidate=None,
            runs_baseline=1,
            runs_candidate=1,
        )
        row = plan_sizes(components, PUBLISHED - FOUND, n=SHOWN).rows[0]
        pairs.append(
            {
                "sets": [first, second],
                "difference": influences[second].distance.value - influences[first].distance.value,
                "image_sd": components.image_sd,
                "images_detect": row.images_detect,
                "smallest_difference_at_500": row.smallest_difference,
            }
        )
        print(pairs[-1], flush=True)
    write_json(
        arguments.json,
        {"date": today(), "machine": machine, "n": n, "difference": PUBLISHED - FOUND, "sets": sets, "pairs": pairs},
    )


def _blurred(radius: float) -> Callable[[Image.Image, int], Image.Image]:
    return lambda image, _: image.filter(ImageFilter.GaussianBlur(radius))


def _noisy(sd: float) -> Callable[[Image.Image, int], Image.Image]:
    def spoil(image: Image.Image, number: int) -> Image.Image:
        pixels = np.asarray(image, dtype=np.float64)
        noise = np.random.default_rng(number).normal(scale=sd, size=pixels.shape)
        return Image.fromarray((pixels + noise).round().clip(0, 255).astype(np.uint8))

    return spoil


def _compressed(quality: int) -> Callable[[Image.Image, int], Image.Image]:
    def spoil(image: Image.Image, _: int) -> Image.Image:
        file = io.BytesIO()
        image.save(file, format="JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return spoil


#: The image and its number to the spoilt image.
SPOILING: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "blur 1.2": _blurred(1.2),
    "blur 1.6": _blurred(1.6),
    "noise 16": _noisy(16),
    "noise 24": _noisy(24),
    "JPEG 10": _compressed(10),
}


def _spoilt(name: str, photos: Path, work: Path) -> FeatureSet:
    folder, features = work / name.replace(" ", "-"), work / f"{name.replace(' ', '-')}.npz"
    if not features.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(sorted(photos.iterdir())):
            with Image.open(path) as image:
                SPOILING[name](image.convert("RGB"), number).save(folder / f"{path.stem}.png")
    return _features(folder, features)


def _features(images: Path, file: Path) -> FeatureSet:
    if file.exists():
        return FeatureSet.load(file)
    found = extract_features(images, file, settings=FeatureSettings(device="cpu", cache=False))
    assert isinstance(found, FeatureSet)
    return found


if __name__ == "__main__":
    main()
