"""Features by the actors of a real Ray cluster of two nodes, which are killed, tried again and gone on from."""

from __future__ import annotations

import pickle
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.features.extract_features import extract_features
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.part_file import Whole
from p2phd_eval.features.ray_block import BlockJob, BlockWorker
from p2phd_eval.features.ray_features import usual_block
from p2phd_eval.features.statistics import Statistics
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.stats.distances.moments import moments
from tests.features import tiny_network, watched_network

TINY = FeatureSettings(network=tiny_network.SPEC, device="cpu", workers=0, cache=False)
WATCHED = replace(TINY, network=watched_network.SPEC)
N = 60
DEADLY = 33  # the image whose process is killed

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


@pytest.fixture(scope="module")
def cluster(ray_cluster: Any) -> str:
    return ray_cluster.address  # type: ignore[no-any-return]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(N):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        if index == DEADLY:
            pixels[:] = watched_network.DEADLY
        write_png(tmp_path / "photos" / f"{index:02}.png", pixels)
    return tmp_path / "photos"


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that has a byte for each image that a network has seen."""
    monkeypatch.setenv(watched_network.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path / "seen"


def test_killed_actors_and_an_error_lose_nothing(cluster: str, photos: Path, watched: Path, tmp_path: Path) -> None:
    options = {"address": cluster, "block": "10"}
    content = (photos / "59.png").read_bytes()
    (photos / "59.png").write_bytes(content[:50])
    with pytest.raises(InputError, match=r"59.png: expected a readable image"):
        # One at a time, so that the error of the last block comes after the blocks before it.
        one_by_one = {**options, "at_once": "1"}
        extract_features(photos, tmp_path / "x.npz", settings=WATCHED, executor="ray", executor_options=one_by_one)
    assert (tmp_path / "killed").exists()
    kept = {int(path.stem) for path in (tmp_path / "x.npz.parts").glob("*.npz")}
    assert len(kept) >= 2
    assert 5 not in kept

    # Gone on from: blocks that are done are not computed again, but for one of which an image is another by now.
    (photos / "59.png").write_bytes(content)
    changed = min(kept)
    write_png(photos / f"{10 * changed:02}.png", np.full((16, 16, 3), 100, dtype=np.uint8))
    watched.unlink()
    found = extract_features(photos, tmp_path / "x.npz", settings=WATCHED, executor="ray", executor_options=options)
    networks = 3 * 2  # images on which the network of each of at most three actors is tried out
    assert len(watched.read_bytes()) in range(N - 10 * (len(kept) - 1), N - 10 * (len(kept) - 1) + networks + 1)
    assert not (tmp_path / "x.npz.parts").exists()

    one = extract_features(photos, settings=TINY)
    assert isinstance(found, FeatureSet)
    assert isinstance(one, FeatureSet)
    np.testing.assert_array_equal(found.values, one.values)
    assert (found.ids, found.stamp) == (one.ids, one.stamp)
    assert FeatureSet.load(tmp_path / "x.npz").stamp == one.stamp


def test_moments_are_those_of_one_process(cluster: str, photos: Path, tmp_path: Path) -> None:
    options = {"address": cluster, "block": "7", "at_once": "1"}
    found = extract_features(photos, statistics=True, settings=TINY, executor="ray", executor_options=options)
    one = extract_features(photos, settings=TINY)
    assert isinstance(found, Statistics)
    assert isinstance(one, FeatureSet)
    alone = moments(one.values)
    assert (found.moments.n, found.stamp) == (N, one.stamp)
    for got, expected in ((found.moments.mean, alone.mean), (found.moments.covariance, alone.covariance)):
        # Promised is 1e-10, relative to the largest entry.
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gpus": "1"}, "expected a node that has room for an actor (gpus=1, cpus=1), found none among "),
        ({"gpu": "1"}, "expected address | gpus | cpus | at_once | block, found 'gpu'"),
    ],
)
def test_what_the_cluster_has_not_is_said(cluster: str, photos: Path, options: dict[str, str], message: str) -> None:
    given = {"address": cluster, **options}
    with pytest.raises(InputError, match=re.escape(message)):
        extract_features(photos, settings=TINY, executor="ray", executor_options=given)


def test_a_node_that_sees_other_images_says_so(photos: Path, tmp_path: Path) -> None:
    source = open_source(photos)
    job = BlockJob(
        images=str(photos),
        name="photos",
        whole=Whole.of(source, marks=False),
        samples={0: source.content_sha256(0)},
        protocol=None,
        settings=TINY,
        statistics=False,
        count=6,
        folder=str(tmp_path),
        environment={},
    )
    batch = {"index": [3], "known": [b""]}
    assert BlockWorker(job)(batch)["error"] == [b""]
    cases = {
        "other contents": replace(job, samples={0: source.content_sha256(1)}),
        "other names": replace(job, whole=replace(job.whole, names_sha256="0" * 64)),
        "nothing": replace(job, images=str(tmp_path / "none")),
        "another version": replace(job, version="0.0.1"),
    }
    for name, other in cases.items():
        error = pickle.loads(BlockWorker(other)(batch)["error"][0])
        assert isinstance(error, InputError), name
        assert error.where.startswith("node "), name


def test_blocks_depend_on_the_number_of_images_alone() -> None:
    assert [usual_block(n) for n in (10, 5_000, 50_000, 1_000_000, 10_000_000)] == [256, 256, 782, 8192, 39_063]


def test_ray_that_is_not_installed(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r'Install it: pip install "p2phd-eval\[ray\]"'):
        extract_features(photos, settings=TINY, executor="ray")


def test_what_does_not_go_together(photos: Path) -> None:
    with pytest.raises(InputError, match="expected it without --executor ray"):
        extract_features(photos, settings=TINY, executor="ray", shard="0/2")
    with pytest.raises(InputError, match="expected a path by which every node opens the images"):
        extract_features(np.zeros((2, 8, 8, 3), dtype=np.uint8), settings=TINY, executor="ray")
    with pytest.raises(InputError, match=r"--executor: expected local \| ray, found 'slurm'"):
        extract_features(photos, settings=TINY, executor="slurm")
