"""`fid` as a user types it: from images, archives, lists, features and statistics."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.commands.command_line import SMALL_FEATURES, document_of, error_of, invoke, noise_folder
from tests.features.feature_sets import feature_set


@pytest.mark.usefixtures("inception_weights")
def test_fid_of_two_folders(scenes: Path, runs: Path) -> None:
    arguments = ("fid", scenes / "test_img", runs / "fp32" / "samples", "--device", "cpu", "--replicates", 20)
    result = invoke(*arguments, "--json", "-")
    document = document_of(result)
    assert document["fid"] > 0
    assert document["fid_se"] > 0
    assert document["fid_se_bootstrap"] > 0
    assert (document["n_real"], document["n_fake"], document["pairing"]) == (4, 4, "paired")
    assert document["stamp"]["real"]["resize"] == "legacy-pytorch"
    assert "FID@4" in result.stderr  # the table makes room for the JSON
    plain = invoke(*arguments)
    assert f"FID@4\t{document['fid']:.4f}" in plain.stdout


def test_folders_that_hold_no_set(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    folder = noise_folder(tmp_path / "some", 2)
    assert "expected at least one image" in error_of(invoke("fid", tmp_path / "empty", folder))
    message = error_of(invoke("fid", folder, tmp_path / "none"))
    assert "expected a folder of images" in message
    assert "found nothing there" in message


@pytest.mark.usefixtures("inception_weights")
def test_one_image_has_no_covariance(tmp_path: Path) -> None:
    one, two = noise_folder(tmp_path / "one", 1), noise_folder(tmp_path / "two", 2)
    message = error_of(invoke("fid", one, two, *SMALL_FEATURES))
    assert "at least 2" in message
    assert "covariance" in message


@pytest.mark.usefixtures("inception_weights")
@pytest.mark.parametrize("damage", ["truncated", "text"])
def test_unreadable_images_are_named(tmp_path: Path, damage: str) -> None:
    folder = noise_folder(tmp_path / "some", 3)
    path = folder / "i1.png"
    path.write_bytes(path.read_bytes()[:200] if damage == "truncated" else b"hello, I am not a picture\n")
    message = error_of(invoke("fid", folder, folder, *SMALL_FEATURES))
    assert f"{path}: expected a readable image, found" in message


@pytest.mark.usefixtures("inception_weights")
def test_swapped_width_and_height(tmp_path: Path) -> None:
    wide, tall = noise_folder(tmp_path / "wide", 2), noise_folder(tmp_path / "tall", 2, size=(24, 32))
    assert "width and height are swapped" in error_of(invoke("fid", wide, tall, *SMALL_FEATURES))


@pytest.mark.usefixtures("inception_weights")
def test_one_fid_from_folders_archives_lists_features_and_statistics(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 5), noise_folder(tmp_path / "fake", 5, seed=1)
    expected = document_of(invoke("fid", real, fake, *SMALL_FEATURES, "--replicates", 10, "--json", "-"))
    for kind in ("zip", "tar"):
        shutil.make_archive(str(tmp_path / "fake"), kind, fake)
    (tmp_path / "fake.txt").write_text("".join(f"fake/i{i}.png\n" for i in range(5)))
    features = tmp_path / "fake.npz"
    assert invoke("features", fake, "--out", features, *SMALL_FEATURES).exit_code == 0
    for other in (tmp_path / "fake.zip", tmp_path / "fake.tar", tmp_path / "fake.txt", features):
        document = document_of(invoke("fid", real, other, *SMALL_FEATURES, "--replicates", 10, "--json", "-"))
        assert (document["fid"], document["fid_se"]) == (expected["fid"], expected["fid_se"]), other

    statistics = tmp_path / "statistics.npz"
    command = ("features", fake, "--out", statistics, "--statistics", *SMALL_FEATURES, "--json", "-")
    assert document_of(invoke(*command))["stamp"] == expected["stamp"]["fake"]
    result = invoke("fid", real, statistics, *SMALL_FEATURES)
    assert f"FID@5\t{expected['fid']:.4f}" in result.stdout
    assert "not known from means and covariances alone" in result.stdout
    assert document_of(invoke("fid", real, statistics, *SMALL_FEATURES, "--json", "-"))["fid_se"] is None
    assert "expected images, or features" in error_of(invoke("compare", real, real, statistics, *SMALL_FEATURES))


@pytest.mark.usefixtures("inception_weights")
def test_a_reference_gives_the_block_fid(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 12), noise_folder(tmp_path / "fake", 12, seed=1)
    reference = noise_folder(tmp_path / "train", 40, seed=2)
    command = ("fid", real, fake, *SMALL_FEATURES, "--replicates", 10)
    plain = document_of(invoke(*command, "--json", "-"))
    assert (plain["block_fid"], plain["reference"]) == (None, None)
    document = document_of(invoke(*command, "--reference", reference, "--json", "-"))
    assert (document["fid"], document["fid_se"]) == (plain["fid"], plain["fid_se"])
    assert 0 < document["block_fid"]["at_n"] < document["fid"]
    assert document["block_fid"]["sampling_se"] > 0
    assert (document["reference"]["n"], document["reference"]["source"]) == (40, str(reference))
    table = invoke(*command, "--reference", reference).stdout
    assert "block FID" in table
    assert f"reference\t40 images of {reference}" in table

    message = error_of(invoke(*command, "--reference", real))
    assert "at least 33 images, so that they span the 32 axes of a block, found 12" in message
    for i in range(3):
        shutil.copy(real / f"i{i}.png", reference / f"copy{i}.png")
    message = error_of(invoke(*command, "--reference", reference))
    assert "found 3 that are also in the real images ('i0', 'i1', 'i2')" in message
    moments = tmp_path / "moments.npz"
    np.savez(moments, mu=np.zeros(64), sigma=np.eye(64))
    for sets in ((real, fake, "--reference", moments), (real, moments, "--reference", reference)):
        message = error_of(invoke("fid", *sets))
        assert "found statistics: means and covariances, in which single images cannot be told apart" in message


@pytest.mark.usefixtures("inception_weights")
def test_unlike_features_are_compared_by_force_alone(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 4), noise_folder(tmp_path / "fake", 4, seed=1)
    features = tmp_path / "clean.npz"
    assert invoke("features", real, "--out", features, *SMALL_FEATURES, "--resize", "clean").exit_code == 0
    for command in (("fid", features, fake), ("metrics", features, fake), ("compare", features, fake, real)):
        message = error_of(invoke(*command, *SMALL_FEATURES))
        assert "expected the resize mode of the real images, clean, found legacy-pytorch" in message
        assert "--force" in message
    forced = invoke("fid", features, fake, *SMALL_FEATURES, "--force", "--replicates", 10)
    assert forced.exit_code == 0
    assert "compared by force" in forced.stdout


@pytest.mark.usefixtures("inception_weights")
def test_a_reduced_feature_precision_says_what_it_does(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 4), noise_folder(tmp_path / "fake", 4, seed=1)
    arguments = ("fid", real, fake, *SMALL_FEATURES, "--replicates", 10, "--feature-precision", "bf16")
    document = document_of(invoke(*arguments, "--json", "-"))
    (shift,) = document["precision_shifts"]
    assert (shift["dtype"], shift["n"]) == ("bfloat16", 4)
    assert shift["fid"] == pytest.approx(document["fid"])
    exact = document_of(invoke(*arguments[:-2], "--json", "-"))
    assert shift["fid_float32"] == pytest.approx(exact["fid"], rel=1e-9)
    sentence = f"bfloat16 features shift the FID of {fake} by"
    assert sentence in invoke(*arguments).stdout
    options = (*SMALL_FEATURES, "--feature-precision", "bf16")
    compared = invoke("compare", real, fake, real, "--replicates", 10, *options).stdout
    assert compared.count("bfloat16 features shift the FID of") == 2
    more = noise_folder(tmp_path / "more", 9)
    assert f"bfloat16 features shift the FID of {more} by" in invoke("metrics", more, more, *options).stdout
    assert "ending in .npz, found" in error_of(invoke("features", real, "--out", tmp_path / "f.txt"))


def test_options_of_features_that_do_not_fit(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 2), noise_folder(tmp_path / "fake", 2, seed=1)
    assert "--dims: expected 64 or 192 or 768 or 2048, found 63" in error_of(invoke("fid", real, fake, "--dims", 63))
    message = error_of(invoke("fid", real, fake, "--feature-network", "no_such_module:network"))
    assert "--feature-network no_such_module:network" in message
    assert invoke("fid", real, fake, "--resize", "bicubic").exit_code == 2
    features = feature_set(np.zeros((3, 6)))
    features.save(tmp_path / "features.npz")
    message = error_of(invoke("compare", real, real, tmp_path / "features.npz", "--picture", tmp_path / "p.png"))
    assert "--picture: expected images in all arguments" in message
