"""Features and distances of the other FID tools, computed by themselves, and ours in the mode that is theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from p2phd_eval.features.identity import Resize
from p2phd_eval.features.networks.inception import load_inception
from p2phd_eval.features.weights.index import WeightsFile
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.torchvision_ops import declare_missing_operators
from tests.features.all_features import all_features
from tests.features.peer import DIMS, pytorch_fid_network, save_state

# Both sides are float32 networks of 94 layers; they differ in the order of their sums and in how they normalise.
TOLERANCE = 1e-4
FID_TOLERANCE = 1e-3  # of the FIDs here, which are of the order of 100
N = 4  # the first half stand for real photos

Features = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth colour images with sharp edges, of one size: what the peers can stack."""
    root = tmp_path_factory.mktemp("peers")
    rng = np.random.default_rng(0)
    for index in range(N):
        cells = 6 if index < N // 2 else 9
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        image = np.array(coarse.resize((160, 120), Image.Resampling.BICUBIC))
        image[40:80, 30 + index : 70] = rng.integers(0, 256, 3)
        Image.fromarray(image).save(root / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def state_file(inception_weights: WeightsFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_state(inception_weights, tmp_path_factory.mktemp("state"))


def ours(weights: WeightsFile, folder: Path, resize: Resize, dims: int = 2048) -> Features:
    return all_features(open_source(folder), load_inception(weights, "cpu", resize=resize, dims=dims)).values


def stacked(folder: Path) -> torch.Tensor:
    images = [np.array(Image.open(path)) for path in sorted(folder.iterdir())]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def fid(features: Features) -> float:
    return frechet_distance(features[: N // 2], features[N // 2 :]).value


def assert_equal(mine: Features, theirs: Features) -> None:
    np.testing.assert_allclose(mine, theirs, rtol=TOLERANCE, atol=TOLERANCE)
    assert fid(mine) == pytest.approx(fid(theirs), abs=FID_TOLERANCE)


def test_pytorch_fid(inception_weights: WeightsFile, folder: Path) -> None:
    """All four blocks of one pass; `test_pipeline.py` has its own reading of files too."""
    network = pytorch_fid_network(inception_weights, tuple(range(len(DIMS))))
    with torch.no_grad():
        blocks = network(stacked(folder) / 255)
    for dims, expected in zip(DIMS, blocks, strict=True):
        assert_equal(ours(inception_weights, folder, Resize.LEGACY_PYTORCH, dims), expected.mean(dim=(2, 3)).numpy())


def test_torch_fidelity(inception_weights: WeightsFile, folder: Path, state_file: Path) -> None:
    declare_missing_operators()
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    ends = DIMS[0], DIMS[-1]
    network = FeatureExtractorInceptionV3(
        "inception-v3-compat", [str(dims) for dims in ends], feature_extractor_weights_path=str(state_file)
    )
    for dims, expected in zip(ends, network(stacked(folder)), strict=True):
        assert_equal(ours(inception_weights, folder, Resize.LEGACY_TENSORFLOW, dims), expected.numpy())


def test_clean_fid(inception_weights: WeightsFile, folder: Path) -> None:
    from cleanfid.fid import get_folder_features

    # Its own network cannot be downloaded here: pytorch-fid's, after the normalisation that its wrapper applies.
    network = pytorch_fid_network(inception_weights, own_resize=False)

    def embed(batch: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            features: torch.Tensor = network((batch - 128) / 128)[0][:, :, 0, 0]
        return features

    expected = get_folder_features(
        str(folder), embed, num_workers=0, batch_size=3, device=torch.device("cpu"), mode="clean", verbose=False
    )
    assert_equal(ours(inception_weights, folder, Resize.CLEAN), expected)


def test_torchmetrics(inception_weights: WeightsFile, folder: Path, state_file: Path) -> None:
    declare_missing_operators()
    from torchmetrics.image.fid import FrechetInceptionDistance

    for dims in (2048, 64):
        metric = FrechetInceptionDistance(dims, feature_extractor_weights_path=str(state_file))
        got = ours(inception_weights, folder, Resize.TORCHMETRICS, dims)
        assert_equal(got, metric.inception(stacked(folder)).numpy())
    # Its own distance with 64 features alone, since its eigenvalues of a 2048 x 2048 matrix take half a minute.
    metric.set_dtype(torch.float64)
    for images, real in zip(torch.split(stacked(folder), N // 2), (True, False), strict=True):
        metric.update(images, real=real)
    assert fid(got) == pytest.approx(float(metric.compute()), abs=FID_TOLERANCE)


def test_the_modes_differ(inception_weights: WeightsFile, folder: Path) -> None:
    """Each by more than the tolerance: a test of one against another's package would fail."""
    distances = [fid(ours(inception_weights, folder, resize, 64)) for resize in Resize]
    assert min(abs(a - b) for i, a in enumerate(distances) for b in distances[:i]) > 2 * TOLERANCE
