from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from PIL import Image

import p2phd_eval
from p2phd_eval.errors import InputError
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.networks.inception import FidInception, load_inception
from p2phd_eval.features.pipeline import read_features
from p2phd_eval.features.weights.index import WeightsFile
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.torchvision_ops import declare_missing_operators
from tests.features.all_features import all_features
from tests.features.peer import pytorch_fid_network
from tests.features.tiny_network import SPEC

MODES = ("RGB", "L", "P", "RGBA", "1", "RGB")
SIZES = ((64, 48), (301, 200), (128, 256), (64, 48))  # width and height in pixels
N = 10  # more than a pass of the network takes on a CPU


def write_images(folder: Path, *, seed: int, n: int) -> ImageSource:
    """Smooth random images of mixed sizes and modes."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for index in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 4), dtype=np.uint8), "RGBA")
        image = coarse.resize(SIZES[index % len(SIZES)], Image.Resampling.BICUBIC)
        mode = MODES[index % len(MODES)]
        (image if mode == "RGBA" else image.convert("RGB").convert(mode)).save(folder / f"{index:02}_leftImg8bit.png")
    return open_source(folder)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> ImageSource:
    return write_images(tmp_path_factory.mktemp("images") / "real", seed=0, n=N)


@pytest.fixture(scope="module")
def shallow(inception_weights: WeightsFile) -> FidInception:
    """Its first layers alone, for what does not depend on the depth of a network."""
    return load_inception(inception_weights, "cpu", dims=64)


@pytest.fixture(scope="module")
def real_features(real: ImageSource, inception: FidInception) -> FeatureSet:
    return all_features(real, inception)


def test_fid_is_pytorch_fids_for_images_of_all_kinds(
    real: ImageSource,
    real_features: FeatureSet,
    inception: FidInception,
    inception_weights: WeightsFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declare_missing_operators()
    from pytorch_fid import fid_score

    generated = write_images(tmp_path / "generated", seed=1, n=6)
    network = pytorch_fid_network(inception_weights)
    # Its loader stacks images of one size only, so one a batch.
    peer = [
        fid_score.get_activations(sorted(Path(source.name).iterdir()), network, batch_size=1, num_workers=0)
        for source in (real, generated)
    ]
    ours = [real_features.values, all_features(generated, inception).values]
    np.testing.assert_allclose(ours[0], peer[0], rtol=1e-4, atol=1e-4)
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
    assert frechet_distance(*ours).value == pytest.approx(expected, abs=1e-3)


def test_rows_ids_sizes_and_stamp_follow_the_set(
    real: ImageSource, real_features: FeatureSet, inception: FidInception
) -> None:
    assert real_features.values.dtype == np.float32
    assert real_features.values.shape == (N, 2048)
    assert real_features.ids == tuple(f"{index:02}" for index in range(N))
    np.testing.assert_array_equal(real_features.sizes, [SIZES[index % len(SIZES)] for index in range(N)])
    stamp = real_features.stamp
    assert (stamp.n, stamp.dims, stamp.dtype, stamp.device) == (N, 2048, "float32", "cpu")
    assert (stamp.source, stamp.formats, stamp.duplicates) == (real.name, {"PNG": N}, 0)
    assert (stamp.weights_sha256, stamp.tool) == (inception.identity.weights_sha256, p2phd_eval.__version__)


def test_no_feature_depends_on_processes_neighbours_or_order(
    real: ImageSource, real_features: FeatureSet, inception: FidInception, shallow: FidInception
) -> None:
    """To the bit: passes have a fixed size, and images of a pass do not see each other."""
    calls: list[tuple[int, int]] = []
    alone, got = (
        all_features(real, shallow, workers=n, on_progress=lambda done, total: calls.append((done, total)))
        for n in (0, 2)
    )
    np.testing.assert_array_equal(got.values, alone.values)
    assert got.stamp == alone.stamp
    assert calls == [(8, N), (N, N)] * 2
    for indices in ([3], range(N - 1, -1, -1)):  # one alone; all the other way round, in a whole pass and a part
        rows = np.concatenate([block.values for block in read_features(real, inception, indices, workers=0)])
        np.testing.assert_array_equal(rows, real_features.values[list(indices)])


def test_the_size_of_a_pass_changes_rounding_alone(
    real: ImageSource, real_features: FeatureSet, inception: FidInception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "batch_size", 3)
    got = all_features(real, inception)
    np.testing.assert_allclose(got.values, real_features.values, rtol=1e-4, atol=1e-5)
    other = real_features.values[::-1] * 0.5
    expected = frechet_distance(real_features.values, other).value
    assert frechet_distance(got.values, other).value == pytest.approx(expected, rel=1e-6)


def test_the_hash_of_the_images_covers_names_and_contents(tmp_path: Path, shallow: FidInception) -> None:
    def stamp(name: str, colour: int) -> str:
        folder = tmp_path / f"{name}-{colour}"
        folder.mkdir()
        Image.new("L", (8, 8), colour).save(folder / f"{name}.png")
        return all_features(open_source(folder), shallow).stamp.images_sha256

    assert len({stamp("a", 0), stamp("a", 1), stamp("b", 0)}) == 3


def test_formats_copies_and_oddities_are_counted(tmp_path: Path, shallow: FidInception) -> None:
    grey, black = Image.new("L", (8, 8), 128), Image.new("L", (8, 8))
    for name in ("a", "b", "c"):
        grey.save(tmp_path / f"{name}.png")
    black.save(tmp_path / "d.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # EXIF 2.3, tag Orientation
    black.save(tmp_path / "e.jpg", exif=exif)
    stamp = all_features(open_source(tmp_path), shallow).stamp
    assert (stamp.formats, stamp.duplicates) == ({"JPEG": 1, "PNG": 4}, 2)
    assert stamp.oddities == {"unscaled": 2, "turned": 1}
    assert stamp.odd_examples == {"unscaled": "d.png", "turned": "e.jpg"}


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_is_named(tmp_path: Path, shallow: FidInception, workers: int) -> None:
    images = write_images(tmp_path / "images", seed=2, n=3)
    path = tmp_path / "images" / "01_leftImg8bit.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"01_leftImg8bit\.png: expected a readable image"):
        all_features(images, shallow, workers=workers)


def _add(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "new.png")


def _remove(folder: Path) -> None:
    (folder / "00_leftImg8bit.png").unlink()


def _rewrite(folder: Path) -> None:
    Image.new("RGB", (9, 9)).save(folder / "00_leftImg8bit.png")


@pytest.mark.parametrize("change", [_add, _remove, _rewrite])
def test_a_folder_that_changes_while_it_is_read_is_refused(tmp_path: Path, change: Callable[[Path], None]) -> None:
    images = write_images(tmp_path / "images", seed=3, n=3)
    settings = FeatureSettings(network=SPEC, device="cpu", workers=0, cache=False)
    extract = FeatureExtractor(
        settings, progress=lambda what, unit: nullcontext(lambda done, total: change(tmp_path / "images"))
    )
    with pytest.raises(InputError, match="expected the same images from the first to the last read"):
        extract(images)


def test_nothing_stays_in_the_graph(inception: FidInception) -> None:
    batch = torch.zeros(1, 3, 299, 299, requires_grad=True)
    assert not inception.embed(batch).requires_grad
