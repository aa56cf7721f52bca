from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.compute_fid import compute_fid
from p2phd_eval.evaluation.compute_metrics import compute_metrics
from p2phd_eval.evaluation.fid_of_sets import FidResult
from p2phd_eval.features.extract_features import extract_features
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.images.sources.generated import GeneratedSource
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.stats.distances.frechet import frechet_distance
from tests.features import tiny_network
from tests.features.feature_sets import arm_file

SETTINGS = FeatureSettings(network=tiny_network.SPEC, device="cpu", workers=0, cache=False)
Images = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def images() -> Images:
    """Real and generated: uint8 (n, h, w, 3)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (13, 24, 40, 3), dtype=np.uint8), rng.integers(0, 200, (11, 24, 40, 3), dtype=np.uint8)


def write(folder: Path, images: np.ndarray) -> Path:
    for index, image in enumerate(images):
        write_png(folder / f"{index:02}.png", image)
    return folder


def fid_of(real: object, fake: object) -> float:
    return compute_fid(real, fake, settings=SETTINGS, replicates=0).fid


def test_one_number_whatever_holds_the_images(images: Images, tmp_path: Path) -> None:
    real, fake = images
    folder = write(tmp_path / "real", real)

    def batches() -> Iterator[np.ndarray]:
        yield from (fake[:4], fake[4:])

    features = extract_features(folder, tmp_path / "features.npz", settings=SETTINGS)
    generated = extract_features(ArraySource(fake), settings=SETTINGS)
    assert isinstance(features, FeatureSet)
    assert isinstance(generated, FeatureSet)
    expected = frechet_distance(features.values, generated.values).value
    close = pytest.approx(expected, rel=1e-9)
    assert fid_of(folder, fake) == close
    assert fid_of(str(folder), torch.from_numpy(fake).permute(0, 3, 1, 2)) == close
    assert fid_of(tmp_path / "features.npz", batches()) == close
    assert fid_of(open_source(folder), list(fake)) == close
    labels = ArraySource(np.repeat(np.arange(11, dtype=np.uint8)[:, None, None, None], 3, axis=3))
    assert fid_of(folder, GeneratedSource(labels, lambda label: fake[label[0, 0, 0]])) == close
    extract_features(folder, tmp_path / "statistics.npz", statistics=True, settings=SETTINGS)
    statistics = compute_fid(tmp_path / "statistics.npz", fake, settings=SETTINGS)
    assert statistics.fid == pytest.approx(expected, abs=tiny_network.DIMS * 1e-7)
    assert not hasattr(statistics, "fid_se")


def test_numbers_are_no_names_to_pair_by(images: Images) -> None:
    real, fake = images[0][:11], images[1]
    unnamed = compute_fid(real, fake, settings=SETTINGS, replicates=0)
    assert isinstance(unnamed, FidResult)
    assert unnamed.pairing == "independent"
    ids = [f"scene {index}" for index in range(11)]
    named = compute_fid(ArraySource(real, ids=ids), ArraySource(fake, ids=ids), settings=SETTINGS, replicates=0)
    assert isinstance(named, FidResult)
    assert named.pairing == "paired"
    assert named.fid == pytest.approx(unnamed.fid, rel=1e-9)  # rows in the order of their names: sums in another one


def test_an_empty_iterable_is_refused(images: Images) -> None:
    with pytest.raises(InputError, match="at least one batch, found none"):
        compute_fid(images[0], iter([]), settings=SETTINGS)


def test_confidence_and_clusters_are_those_of_the_command(tmp_path: Path) -> None:
    real, fake = (arm_file(tmp_path / f"{name}.npz", seed=k, cities=True) for k, name in enumerate(("real", "fake")))
    plain = compute_fid(real, fake, replicates=0)
    assert isinstance(plain, FidResult)
    assert plain.interval is not None
    narrow = compute_fid(real, fake, replicates=0, confidence=0.8)
    assert isinstance(narrow, FidResult)
    assert narrow.interval is not None
    assert narrow.interval.confidence == 0.8
    clustered = compute_fid(real, fake, replicates=0, cluster_by="cityscapes-city")
    assert isinstance(clustered, FidResult)
    assert (clustered.clusters, plain.clusters) == (3, None)
    table = tmp_path / "cities.csv"
    rows = [f"{image},{image.partition('_')[0]}" for image in FeatureSet.load(real).ids]
    table.write_text("\n".join(["id,cluster", *rows]))
    assert compute_fid(real, fake, replicates=0, cluster_by=table).fid_se == clustered.fid_se


def test_bad_options_are_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--confidence: expected a number above"):
        compute_fid(tmp_path / "none", tmp_path / "none", confidence=95)
    with pytest.raises(InputError, match=r"none\.csv"):
        compute_fid(tmp_path, tmp_path, cluster_by=tmp_path / "none.csv")


def test_sets_that_are_not_what_they_seem_are_told(images: Images, tmp_path: Path) -> None:
    real = write(tmp_path / "real", images[0])
    (real / "more.heic").touch()
    results, samples = tmp_path / "results", write(tmp_path / "samples", images[1][:5])
    for name in ("00", "01", "02", "03", "04"):
        for kind, folder in (("input_label", real), ("synthesized_image", samples)):
            write_png(results / f"{name}_{kind}.png", np.asarray(Image.open(folder / f"{name}.png")))
    found = compute_fid(real, results, settings=SETTINGS, replicates=0)
    assert found.fid == fid_of(real, samples)
    assert isinstance(found, FidResult)
    said = "\n".join(found.warnings)
    assert f"{results} holds results" in said
    assert "left out are 5 input_label" in said
    assert "1 image of formats that are not read is left out (more.heic)" in said
    assert "13 real and 5 generated images" in said
    with pytest.raises(InputError, match=r"(?s)at least 8 images .* found 13 and 5\..*left out \(more\.heic\)"):
        compute_metrics(real, samples, settings=SETTINGS)
    with pytest.raises(InputError, match="expected real images, found results of several kinds"):
        compute_fid(results, samples, settings=SETTINGS)
    assert "5 of 5 images are copies of real ones" in "\n".join(
        compute_fid(real, f"{results}::input_label", settings=SETTINGS, replicates=0).warnings
    )
