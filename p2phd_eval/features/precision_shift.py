"""What a reduced precision of the feature network does to the FID at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.identity import FeaturePrecision
from p2phd_eval.sources.source import ImageSource
from p2phd_eval.stats.feature_set import FeatureSet
from p2phd_eval.stats.frechet import frechet_distance

_LIMIT = 512  # images of each set that are computed again in float32


@dataclass(frozen=True, kw_only=True)
class PrecisionShift:
    """One FID in two precisions of the feature network, on the same images."""

    dtype: str  # the reduced precision
    n: int  # images of each set, evenly spaced over it; the smaller number where they differ
    fid: float  # FID@n in the reduced precision, squared feature units
    fid_float32: float  # FID@n in float32

    @property
    def shift(self) -> float:
        """By how much the reduced precision moves the FID."""
        return self.fid - self.fid_float32


def precision_shift(
    extractor: FeatureExtractor, sources: Sequence[ImageSource], features: Sequence[FeatureSet]
) -> PrecisionShift:
    """Measure on the images at hand by how much a reduced feature precision moves their FID.

    Up to 512 images of each set, evenly spaced, are computed again in float32.

    Parameters
    ----------
    extractor : FeatureExtractor
        The one of the reduced precision.
    sources : sequence of ImageSource
        Real and generated images.
    features : sequence of FeatureSet
        What `extractor` made of them.

    Raises
    ------
    InputError
        If an image cannot be read.
    """
    exact = extractor.with_settings(replace(extractor.settings, precision=FeaturePrecision.FP32, cache=False))
    chosen = [
        np.unique(np.linspace(0, len(source) - 1, min(len(source), _LIMIT)).round().astype(int)) for source in sources
    ]
    float32 = [
        np.concatenate([block.values for block in exact.blocks(source, rows.tolist())])
        for source, rows in zip(sources, chosen, strict=True)
    ]
    reduced = [made.values[rows] for made, rows in zip(features, chosen, strict=True)]
    return PrecisionShift(
        dtype=features[0].stamp.dtype,
        n=min(map(len, chosen)),
        fid=frechet_distance(*reduced).value,
        fid_float32=frechet_distance(*float32).value,
    )
