from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.linalg
from PIL import Image

import p2phd_eval
from p2phd_eval.errors import InputError
from p2phd_eval.images import ImageSet, list_images
from p2phd_eval.stats.feature_set import FeatureSet
from p2phd_eval.stats.features import extract_features
from p2phd_eval.stats.inception import FidInception
from p2phd_eval.stats.weights_file import WeightsFile
from tests.stats.peer import pytorch_fid_network

MODES = ("RGB", "L", "P", "RGBA", "1", "RGB")
SIZES = ((64, 48), (301, 200), (128, 256), (64, 48))  # width and height in pixels
N = 8


def _write_images(folder: Path, *, seed: int, n: int) -> ImageSet:
    """Smooth random images of mixed sizes and modes."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for index in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 4), dtype=np.uint8), "RGBA")
        image = coarse.resize(SIZES[index % len(SIZES)], Image.Resampling.BICUBIC)
        mode = MODES[index % len(MODES)]
        (image if mode == "RGBA" else image.convert("RGB").convert(mode)).save(folder / f"{index:02}_leftImg8bit.png")
    return list_images(folder)


def _subset(images: ImageSet, indices: slice) -> ImageSet:
    return ImageSet(root=images.root, paths=images.paths[indices])


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return _write_images(tmp_path_factory.mktemp("images") / "real", seed=0, n=N)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return _write_images(tmp_path_factory.mktemp("images") / "generated", seed=1, n=6)


@pytest.fixture(scope="module")
def real_features(real: ImageSet, inception: FidInception) -> FeatureSet:
    return extract_features(real, inception)


def _frechet(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """Squared Fréchet distance of two small samples, Tr sqrt(S_a S_b) as a nuclear norm of n_a x n_b.

    With S = C'C / (n - 1) and C centred, the eigenvalues of S_a S_b are the squared singular values of
    C_a C_b' over (n_a - 1)(n_b - 1), so no square root of a singular 2048 x 2048 matrix is needed.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    centred = [(x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in (a, b)]
    nuclear = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    mean = a.mean(axis=0) - b.mean(axis=0)
    return float(mean @ mean + sum((x**2).sum() for x in centred) - 2 * nuclear)


def test_fid_is_pytorch_fids(
    real: ImageSet,
    generated: ImageSet,
    real_features: FeatureSet,
    inception: FidInception,
    inception_weights: WeightsFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pytorch_fid import fid_score

    network = pytorch_fid_network(inception_weights)
    # Its loader stacks images of one size only, so one a batch.
    peer = [
        fid_score.get_activations(list(images.paths), network, batch_size=1, num_workers=0)
        for images in (real, generated)
    ]
    ours = [real_features.values, extract_features(generated, inception).values]
    np.testing.assert_allclose(ours[0], peer[0], rtol=1e-4, atol=1e-4)
    assert _frechet(*ours) == pytest.approx(_frechet(*peer), abs=1e-3)
    # Its own distance, in coordinates of the joint span: a rotation changes no Fréchet distance, and the
    # square root of a 2048 x 2048 matrix takes a minute.
    basis = np.linalg.svd(np.concatenate(peer), full_matrices=False)[2].T
    moments = [(x.mean(axis=0), np.cov(x, rowvar=False)) for x in (peer[0] @ basis, peer[1] @ basis)]
    # SciPy deprecates `disp`, and with disp=False it returned the root and an error estimate.
    root = scipy.linalg.sqrtm
    monkeypatch.setattr(
        fid_score.linalg, "sqrtm", lambda matrix, disp=True: root(matrix) if disp else (root(matrix), 0)
    )
    expected = fid_score.calculate_frechet_distance(*moments[0], *moments[1])
    assert _frechet(*ours) == pytest.approx(expected, abs=1e-3)


def test_rows_ids_sizes_and_stamp_follow_the_set(
    real: ImageSet, real_features: FeatureSet, inception: FidInception
) -> None:
    assert real_features.values.dtype == np.float32
    assert real_features.values.shape == (N, 2048)
    assert real_features.ids == tuple(f"{index:02}" for index in range(N))
    np.testing.assert_array_equal(real_features.sizes, [SIZES[index % len(SIZES)] for index in range(N)])
    stamp = real_features.stamp
    assert (stamp.n, stamp.dims, stamp.dtype, stamp.device) == (N, 2048, "float32", "cpu")
    assert (stamp.weights_sha256, stamp.tool) == (inception.weights_sha256, p2phd_eval.__version__)


def test_batches_do_not_matter(real: ImageSet, real_features: FeatureSet, inception: FidInception) -> None:
    batch_size = 3  # does not divide N
    calls: list[tuple[int, int]] = []
    got = extract_features(
        real, inception, batch_size=batch_size, on_progress=lambda done, total: calls.append((done, total))
    )
    assert got.stamp == real_features.stamp
    np.testing.assert_allclose(got.values, real_features.values, rtol=1e-4, atol=1e-5)
    other = real_features.values[::-1] * 0.5
    assert _frechet(got.values, other) == pytest.approx(_frechet(real_features.values, other), rel=1e-6)
    assert calls == [(min(done, N), N) for done in range(batch_size, N + batch_size, batch_size)]


def test_sets_can_be_split_and_reordered(real: ImageSet, real_features: FeatureSet, inception: FidInception) -> None:
    one = extract_features(_subset(real, slice(3, 4)), inception)
    assert one.values.shape == (1, 2048)
    np.testing.assert_allclose(one.values, real_features.values[3:4], rtol=1e-4, atol=1e-5)
    backwards = extract_features(_subset(real, slice(2, None, -1)), inception)
    np.testing.assert_allclose(backwards.values, real_features.values[2::-1], rtol=1e-4, atol=1e-5)
    assert len({one.stamp.images_sha256, backwards.stamp.images_sha256, real_features.stamp.images_sha256}) == 3


def test_the_hash_of_the_images_covers_names_and_contents(tmp_path: Path, inception: FidInception) -> None:
    def stamp(name: str, colour: int) -> str:
        folder = tmp_path / f"{name}-{colour}"
        folder.mkdir()
        Image.new("L", (8, 8), colour).save(folder / f"{name}.png")
        return extract_features(list_images(folder), inception).stamp.images_sha256

    assert len({stamp("a", 0), stamp("a", 1), stamp("b", 0)}) == 3


def test_an_unreadable_image_is_named(tmp_path: Path, inception: FidInception) -> None:
    images = _write_images(tmp_path / "images", seed=2, n=3)
    images.paths[1].write_bytes(images.paths[1].read_bytes()[:200])
    with pytest.raises(InputError, match=r"01_leftImg8bit\.png"):
        extract_features(images, inception)
    with pytest.raises(InputError, match="batch size"):
        extract_features(images, inception, batch_size=0)
