"""What a reduced precision of the feature network does to the FID at hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.identity import FeaturePrecision
from p2phd_eval.formatting import signed_text
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.stats.distances.frechet import frechet_distance

_LIMIT = 512  # images of each set that are computed again in float32


@dataclass(frozen=True, kw_only=True)
class PrecisionShift:
    """One FID in two precisions of the feature network, on the same images."""

    name: str  # what the generated set is called
    dtype: str  # the reduced precision
    n: int  # images of each set, evenly spaced over it; the smaller number where they differ
    fid: float  # FID@n in the reduced precision, squared feature units
    fid_float32: float  # FID@n in float32

    @property
    def shift(self) -> float:
        """By how much the reduced precision moves the FID."""
        return self.fid - self.fid_float32

    def __str__(self) -> str:
        return (
            f"{self.dtype} features shift the FID of {self.name} by {signed_text(self.shift)}: FID@{self.n} is "
            f"{self.fid:.4f} with them and {self.fid_float32:.4f} in float32"
        )


def precision_shifts(
    extractor: FeatureExtractor, inputs: Sequence[object], features: Sequence[FeatureSet], names: Sequence[str]
) -> tuple[PrecisionShift, ...]:
    """Measure on the images at hand by how much a reduced feature precision moves their FIDs.

    Up to 512 images of each set, evenly spaced, are computed again in float32.

    `extractor`: the one that made the features. `inputs`: real images first, then one or more generated sets.
    `features`: those of the inputs. `names`: what the generated sets are called. There is one result for each generated
    set, and none where the precision is not reduced, or an input is no longer images. Raises `InputError` if an image
    cannot be read.
    """
    sources = [each for each in inputs if isinstance(each, ImageSource)]
    if extractor.settings.precision is FeaturePrecision.FP32 or len(sources) < len(inputs):
        return ()
    from p2phd_eval.images.pictures import evenly_spaced  # here: it loads Pillow

    exact = extractor.with_settings(replace(extractor.settings, precision=FeaturePrecision.FP32, cache=False))
    chosen = [evenly_spaced(len(source), _LIMIT) for source in sources]
    float32 = [
        np.concatenate([block.values for block in exact.blocks(source, rows)])
        for source, rows in zip(sources, chosen, strict=True)
    ]
    reduced = [made.values[rows] for made, rows in zip(features, chosen, strict=True)]
    return tuple(
        PrecisionShift(
            name=name,
            dtype=features[0].stamp.dtype,
            n=min(len(chosen[0]), len(chosen[index])),
            fid=frechet_distance(reduced[0], reduced[index]).value,
            fid_float32=frechet_distance(float32[0], float32[index]).value,
        )
        for index, name in enumerate(names, start=1)
    )
