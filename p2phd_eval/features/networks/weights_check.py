"""Checking FID's weights to the bottom: their hashes, layers, and the features that they give."""

import dataclasses

import numpy as np
import torch

from p2phd_eval.features.inception_network import LAYERS
from p2phd_eval.features.networks.inception import load_inception
from p2phd_eval.features.networks.resizes import SIDE
from p2phd_eval.features.weights.index import WeightsFile
from p2phd_eval.files import file_sha256

# Mean, standard deviation and largest of the features of `_probe_image` under the standard weights, on a CPU.
_PROBE_STATISTICS = (0.2967915, 0.3434700, 3.094317)

# Kernels sum in different orders; over 94 layers in float32 that stays well below this.
_PROBE_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsReport:
    """What a check of the weights found."""

    weights: WeightsFile
    file_sha256: str  # the file's hash, hexadecimal
    layers: int  # convolutions, each with its batch normalisation
    standard: bool  # these are the FID weights, by their tensors' hash or as pytorch-fid's release
    feature_error: float  # largest relative difference from the recorded statistics of a fixed image's features
    feature_tolerance: float  # above it the features differ from FID's

    @property
    def ok(self) -> bool:
        """Whether FIDs under these weights compare with published ones."""
        return self.standard and self.feature_error <= self.feature_tolerance


def verify_weights(weights: WeightsFile) -> WeightsReport:
    """Check a weights file to the bottom: its hashes, its layers and the features that it gives.

    `weights`: from `find_weights`. Raises `InputError` if the file can no longer be read, or changed since it was
    found.
    """
    network = load_inception(weights, "cpu")
    found = network.features(_probe_image()).double()
    statistics = (float(found.mean()), float(found.std(correction=0)), float(found.max()))
    errors = (abs(got / recorded - 1) for got, recorded in zip(statistics, _PROBE_STATISTICS, strict=True))
    return WeightsReport(
        weights=weights,
        file_sha256=file_sha256(weights.path),
        layers=LAYERS,
        standard=weights.standard,
        feature_error=max(errors),
        feature_tolerance=_PROBE_TOLERANCE,
    )


def _probe_image() -> torch.Tensor:
    # Integer arithmetic alone, so that it is the same everywhere: stripes and a checkerboard in three colours.
    rows, columns = np.mgrid[:SIDE, :SIDE]
    channels = [
        (rows * a + columns * b) % 256 ^ (rows // 16 + columns // 16) % 2 * 255 for a, b in ((1, 3), (2, 1), (5, 7))
    ]
    return torch.from_numpy(np.stack(channels).astype(np.uint8))[None]
