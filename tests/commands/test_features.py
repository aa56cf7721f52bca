"""The commands that compute, keep and compare features, as a user types them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.features.cache.entry import FeatureKey
from p2phd_eval.features.cache.store import FeatureCache
from p2phd_eval.features.identity import NetworkIdentity
from tests.commands.command_line import document_of, error_of, invoke, noise_folder
from tests.features.feature_sets import feature_set


def test_the_cache_is_listed_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PHD_EVAL_CACHE", str(tmp_path))
    empty = document_of(invoke("cache", "list", "--json", "-"))
    assert (empty["entries"], empty["size"]) == ([], 0)
    assert not list(tmp_path.iterdir())  # looking makes no folders

    features = feature_set(np.zeros((5, 6)), source="photos of today")
    cache = FeatureCache()
    keys = [
        FeatureKey(
            identity=NetworkIdentity(weights="test", weights_sha256="0" * 64, resize="clean", dims=6, dtype="float32"),
            images_sha256=letter * 64,
        )
        for letter in "ab"
    ]
    for key in keys:
        cache.put(key, features)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    document = document_of(invoke("cache", "list", "--json", "-"))
    assert document["size"] == size
    assert [(entry["source"], entry["n"], entry["dims"]) for entry in document["entries"]] == [
        ("photos of today", 5, 6)
    ] * 2
    assert "photos of today\t5\ttest\tlegacy-pytorch\t6\tfloat32\t" in invoke("cache", "list").stdout

    with cache.locked(keys[0]):
        result = invoke("cache", "clear")
    assert f"feature sets removed from {cache.folder}: 1, " in result.stderr
    assert "in use by other processes, and kept: 1" in result.stderr
    document = document_of(invoke("cache", "clear", "--json", "-"))
    assert (document["removed"], document["freed"], document["in_use"]) == (1, size / 2, 0)
    assert not list((tmp_path / "features").iterdir())


SMALL = ("--dims", 64, "--device", "cpu", "--workers", 0)


@pytest.mark.usefixtures("inception_weights")
def test_one_fid_from_folders_archives_lists_features_and_statistics(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 5), noise_folder(tmp_path / "fake", 5, seed=1)
    expected = document_of(invoke("fid", real, fake, *SMALL, "--replicates", 10, "--json", "-"))
    for kind in ("zip", "tar"):
        shutil.make_archive(str(tmp_path / "fake"), kind, fake)
    (tmp_path / "fake.txt").write_text("".join(f"fake/i{i}.png\n" for i in range(5)))
    features = tmp_path / "fake.npz"
    assert invoke("features", fake, "--out", features, *SMALL).exit_code == 0
    for other in (tmp_path / "fake.zip", tmp_path / "fake.tar", tmp_path / "fake.txt", features):
        document = document_of(invoke("fid", real, other, *SMALL, "--replicates", 10, "--json", "-"))
        assert (document["fid"], document["fid_se"]) == (expected["fid"], expected["fid_se"]), other

    statistics = tmp_path / "statistics.npz"
    command = ("features", fake, "--out", statistics, "--statistics", *SMALL, "--json", "-")
    assert document_of(invoke(*command))["stamp"] == expected["stamp"]["fake"]
    result = invoke("fid", real, statistics, *SMALL)
    assert f"FID@5\t{expected['fid']:.4f}" in result.stdout
    assert "not known from means and covariances alone" in result.stdout
    assert document_of(invoke("fid", real, statistics, *SMALL, "--json", "-"))["fid_se"] is None
    assert "expected images, or features" in error_of(invoke("compare", real, real, statistics, *SMALL))


@pytest.mark.usefixtures("inception_weights")
def test_unlike_features_are_compared_by_force_alone(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 4), noise_folder(tmp_path / "fake", 4, seed=1)
    features = tmp_path / "clean.npz"
    assert invoke("features", real, "--out", features, *SMALL, "--resize", "clean").exit_code == 0
    for command in (("fid", features, fake), ("metrics", features, fake), ("compare", features, fake, real)):
        message = error_of(invoke(*command, *SMALL))
        assert "expected the resize mode of the real images, clean, found legacy-pytorch" in message
        assert "--force" in message
    forced = invoke("fid", features, fake, *SMALL, "--force", "--replicates", 10)
    assert forced.exit_code == 0
    assert "compared by force" in forced.stdout


@pytest.mark.usefixtures("inception_weights")
def test_a_reduced_feature_precision_says_what_it_does(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 4), noise_folder(tmp_path / "fake", 4, seed=1)
    arguments = ("fid", real, fake, *SMALL, "--replicates", 10, "--feature-precision", "bf16")
    document = document_of(invoke(*arguments, "--json", "-"))
    (shift,) = document["precision_shifts"]
    assert (shift["dtype"], shift["n"]) == ("bfloat16", 4)
    assert shift["fid"] == pytest.approx(document["fid"])
    exact = document_of(invoke(*arguments[:-2], "--json", "-"))
    assert shift["fid_float32"] == pytest.approx(exact["fid"], rel=1e-9)
    sentence = f"bfloat16 features shift the FID of {fake} by"
    assert sentence in invoke(*arguments).stdout
    options = (*SMALL, "--feature-precision", "bf16")
    compared = invoke("compare", real, fake, real, "--replicates", 10, *options).stdout
    assert compared.count("bfloat16 features shift the FID of") == 2
    more = noise_folder(tmp_path / "more", 9)
    assert f"bfloat16 features shift the FID of {more} by" in invoke("metrics", more, more, *options).stdout
    assert "ending in .npz, found" in error_of(invoke("features", real, "--out", tmp_path / "f.txt"))


@pytest.mark.usefixtures("inception_weights")
def test_metrics_of_two_sets(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 9), noise_folder(tmp_path / "fake", 9, seed=1)
    arguments = ("metrics", real, fake, *SMALL)
    document = document_of(invoke(*arguments, "--json", "-"))
    expected = document_of(invoke("fid", real, fake, *SMALL, "--replicates", 10, "--json", "-"))
    assert document["fid"] == expected["fid"]
    plain = invoke(*arguments).stdout
    for name in (
        "KID",
        "FID-infinity",
        "FID of the distributions",
        "precision (k = 3)",
        "recall",
        "density",
        "coverage",
    ):
        assert name in plain
    assert invoke(*arguments, "--seed", 1).stdout != plain
    assert invoke(*arguments).stdout == plain


def test_options_of_features_that_do_not_fit(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 2), noise_folder(tmp_path / "fake", 2, seed=1)
    assert "--dims: expected 64 or 192 or 768 or 2048, found 63" in error_of(invoke("fid", real, fake, "--dims", 63))
    message = error_of(invoke("fid", real, fake, "--features", "no_such_module:network"))
    assert "--features no_such_module:network" in message
    assert invoke("fid", real, fake, "--resize", "bicubic").exit_code == 2
    features = feature_set(np.zeros((3, 6)))
    features.save(tmp_path / "features.npz")
    message = error_of(invoke("compare", real, real, tmp_path / "features.npz", "--picture", tmp_path / "p.png"))
    assert "--picture: expected images in all arguments" in message
