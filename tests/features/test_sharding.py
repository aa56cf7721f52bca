"""`p2phd-eval features` in real processes, as torchrun starts them, over gloo on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.distributed import Ranks
from p2phd_eval.errors import InputError
from p2phd_eval.features.extract_features import extract_features
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.sharding import sharded_statistics
from p2phd_eval.features.statistics import load_statistics
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.stats.distances.moments import moments
from tests.features import tiny_network

N = 11  # which 2 ranks do not divide
TINY = FeatureSettings(network=tiny_network.SPEC, device="cpu", workers=0, cache=False)


def features_of_two(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command in two ranks."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *launcher, "-m", "p2phd_eval", "features", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    options = ["--device", "cpu", "--feature-network", tiny_network.SPEC, "--workers", "0", "--no-cache"]
    return subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False, env=environment, timeout=240
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharding") / "photos"
    rng = np.random.default_rng(0)
    for index in range(N):
        write_png(folder / f"{index:02}.png", rng.integers(0, 256, (24, 40, 3), dtype=np.uint8))
    write_png(folder / "99.png", np.zeros((24, 40, 3), dtype=np.uint8))
    write_png(folder / "98.png", np.zeros((24, 40, 3), dtype=np.uint8))
    return folder


@pytest.mark.usefixtures("one_thread")  # as torchrun has it: with two, convolutions are summed in another order
def test_ranks_give_what_one_process_gives(photos: Path, tmp_path: Path) -> None:
    for option, name in (((), "two"), (("--statistics",), "statistics")):
        run = features_of_two(photos, "--out", tmp_path / f"{name}.npz", *option)
        assert run.returncode == 0, run.stderr
        assert f"{name}.npz" in run.stdout
    one, two = extract_features(photos, settings=TINY), FeatureSet.load(tmp_path / "two.npz")
    assert isinstance(one, FeatureSet)
    np.testing.assert_array_equal(two.values, one.values)
    np.testing.assert_array_equal(two.sizes, one.sizes)
    assert (two.ids, two.stamp) == (one.ids, one.stamp)
    assert one.stamp.duplicates == 1

    merged = load_statistics(tmp_path / "statistics.npz")
    assert (merged.moments.n, merged.stamp) == (N + 2, one.stamp)
    alone = moments(one.values)
    # Promised is 1e-10, relative to the largest entry; float64 sums in another order are far below.
    for got, expected in (
        (merged.moments.mean, alone.mean),
        (merged.moments.covariance, alone.covariance),
        (alone.mean, one.values.mean(axis=0, dtype=np.float64)),
        (alone.covariance, np.cov(one.values.astype(np.float64), rowvar=False)),
    ):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_an_image_that_one_rank_cannot_read_ends_all(photos: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in photos.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "99.png").write_bytes(b"\x89PNG")
    run = features_of_two(broken, "--out", tmp_path / "out.npz")
    assert run.returncode != 0
    assert "[rank 1] error: " in run.stderr
    assert "99.png: expected a readable image" in run.stderr
    assert not (tmp_path / "out.npz").exists()


def test_fewer_images_than_ranks_have_no_moments(tmp_path: Path) -> None:
    """Each rank says so by itself, before it meets the others."""
    for index in range(3):
        write_png(tmp_path / "few" / f"{index}.png", np.zeros((8, 8, 3), dtype=np.uint8))
    with pytest.raises(InputError, match="expected at least 2 images for each of 2 processes, found 3"):
        sharded_statistics(open_source(tmp_path / "few"), FeatureExtractor(TINY), Ranks(rank=1, size=2))
