"""Parts of any division are merged to what one process computes, and refused where they do not belong together."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.features.extract_features import extract_features
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.inputs import open_input
from p2phd_eval.features.merge_features import merge_features
from p2phd_eval.features.statistics import Statistics, load_statistics
from p2phd_eval.images.png import write_png
from p2phd_eval.stats.distances.moments import moments
from tests.features.tiny_network import SPEC

SETTINGS = FeatureSettings(network=SPEC, device="cpu", workers=0, cache=False)
N = 17


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of two formats, twins in different shares, dark ones, and a name that is no UTF-8."""
    folder = tmp_path_factory.mktemp("merge") / "photos"
    rng = np.random.default_rng(0)
    for index in range(N - 4):
        write_png(folder / f"{index:02}.png", rng.integers(0, 256, (20 + index, 24, 3), dtype=np.uint8))
    shutil.copy(folder / "00.png", folder / "twin.png")
    for name in ("05-dark.png", "dark\udce9.png"):
        write_png(folder / name, np.full((16, 16, 3), 9, dtype=np.uint8))
    Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / "z.jpg")
    return folder


def write_parts(photos: Path, folder: Path, count: int, **options: object) -> list[Path]:
    paths = [folder / f"{index}-of-{count}.npz" for index in range(count)]
    for index, path in enumerate(paths):
        extract_features(photos, path, **{"shard": (index, count), "settings": SETTINGS, **options})  # type: ignore[arg-type]
    return paths


@pytest.fixture(scope="module")
def whole(photos: Path) -> FeatureSet:
    found = extract_features(photos, settings=SETTINGS)
    assert isinstance(found, FeatureSet)
    assert (found.stamp.n, found.stamp.duplicates, found.stamp.oddities) == (N, 2, {"dark": 2})
    return found


@pytest.mark.parametrize("count", [1, 3, N])
@pytest.mark.parametrize("cache", [True, False])
def test_features_are_those_of_one_process(
    photos: Path, whole: FeatureSet, tmp_path: Path, count: int, cache: bool
) -> None:
    parts = write_parts(photos, tmp_path, count, settings=replace(SETTINGS, cache=cache))
    merge_features(parts[::-1], tmp_path / "all.npz")
    merged = open_input(tmp_path / "all.npz")
    np.testing.assert_array_equal(merged.values, whole.values)
    np.testing.assert_array_equal(merged.sizes, whole.sizes)
    assert (merged.ids, merged.stamp) == (whole.ids, whole.stamp)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_moments_are_those_of_one_process(photos: Path, whole: FeatureSet, tmp_path: Path, count: int) -> None:
    merge_features(write_parts(photos, tmp_path, count, statistics=True), tmp_path / "all.npz")
    merged, alone = load_statistics(tmp_path / "all.npz"), moments(whole.values)
    assert (merged.moments.n, merged.stamp) == (N, whole.stamp)
    for got, expected in ((merged.moments.mean, alone.mean), (merged.moments.covariance, alone.covariance)):
        # Promised is 1e-10, relative to the largest entry.
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.fixture(scope="module")
def parts(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_parts(photos, tmp_path_factory.mktemp("parts"), 4)


def test_a_part_is_not_taken_for_the_whole(parts: list[Path]) -> None:
    with pytest.raises(InputError, match="found those of a share of it"):
        open_input(parts[0])


def test_shares_that_are_missing_are_named(parts: list[Path]) -> None:
    with pytest.raises(InputError, match=r"expected all 4 shares of .*photos, found 0/4, 2/4 missing"):
        merge_features([parts[1], parts[3]])
    with pytest.raises(InputError, match="expected the files of all shares, found none"):
        merge_features([])


def test_a_share_that_is_there_twice_is_named(parts: list[Path], tmp_path: Path) -> None:
    twice = tmp_path / "again.npz"
    shutil.copy(parts[2], twice)
    with pytest.raises(InputError, match=r"expected each share once, found 2/4 a second time, beside .*"):
        merge_features([*parts, twice])


def test_parts_that_do_not_belong_together_are_refused(
    photos: Path, parts: list[Path], whole: FeatureSet, tmp_path: Path
) -> None:
    others = tmp_path / "photos"
    shutil.copytree(photos, others)
    renamed = tmp_path / "renamed" / "photos"
    shutil.copytree(photos, renamed)
    (renamed / "00.png").rename(renamed / "00b.png")
    cases = {
        "another division": (photos, {"shard": "3/5"}, "expected one of 4 shares, as .*, found 3/5"),
        "another kind": (photos, {"statistics": True}, r"expected features, as .*, found mean and covariance"),
        "another source": (others, {}, f"expected images of {photos}, as .*, found {others}"),
        "another resize": (
            photos,
            {"settings": FeatureSettings(network=f"{SPEC}_wider", device="cpu", workers=0)},
            "expected resize pillow-bicubic-16, as .*, found pillow-bicubic-20",
        ),
    }
    for name, (images, options, message) in cases.items():
        path = tmp_path / f"{name}.npz"
        extract_features(images, path, **{"shard": (3, 4), "settings": SETTINGS, **options})  # type: ignore[arg-type]
        with pytest.raises(InputError, match=message):
            merge_features([*parts[:3], path])
    whole.save(tmp_path / "whole.npz")
    with pytest.raises(InputError, match="found features or statistics of a whole set"):
        merge_features([*parts[:3], tmp_path / "whole.npz"])


def test_images_that_changed_in_number_or_name_between_shares_are_refused(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    paths = [tmp_path / f"{index}.npz" for index in range(3)]
    extract_features(folder, paths[0], shard="0/3", settings=SETTINGS)
    (folder / "00.png").rename(folder / "00b.png")
    extract_features(folder, paths[1], shard="1/3", settings=SETTINGS)
    with pytest.raises(InputError, match="expected a share of images of the same names, as"):
        merge_features(paths[:2])
    (folder / "00b.png").unlink()
    extract_features(folder, paths[2], shard="2/3", settings=SETTINGS)
    with pytest.raises(InputError, match=f"expected a share of {N} images, as .*, found one of {N - 1}"):
        merge_features([paths[0], paths[2]])


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
def test_an_image_that_is_replaced_between_shares_is_noticed(photos: Path, tmp_path: Path, form: str) -> None:
    """It is in another share; copies of the files are not taken for others."""
    paths = [tmp_path / f"{index}.npz" for index in range(3)]
    for index, path in enumerate(paths):
        others = shutil.ignore_patterns("dark*")  # a name that zip does not take
        folder = shutil.copytree(photos, tmp_path / str(index), ignore=others, copy_function=shutil.copyfile)
        if index == 2:
            shutil.copy(photos / "05.png", folder / "00.png")
        given = folder if form == "folder" else shutil.make_archive(str(tmp_path / "all"), form, folder)
        shutil.rmtree(tmp_path / "photos", ignore_errors=True)
        given = Path(given).rename(tmp_path / f"photos{'' if form == 'folder' else f'.{form}'}")
        extract_features(given, path, shard=(index, 3), settings=SETTINGS)
    with pytest.raises(InputError, match=r"expected a share of images of the same contents, as .*0.npz, found others"):
        merge_features(paths)
    with pytest.raises(InputError, match="found 2/3 missing"):
        merge_features(paths[:2])


def test_a_damaged_part_is_refused(parts: list[Path], tmp_path: Path) -> None:
    with np.load(parts[1]) as stored:
        arrays = dict(stored)
    np.savez(tmp_path / "same.npz", **arrays)
    merge_features([parts[0], tmp_path / "same.npz", *parts[2:]])
    changes = {
        "features": arrays["features"] + 1,
        "ids": arrays["ids"][::-1],
        "sizes": arrays["sizes"].astype(np.int64),
        "stamp": np.array(str(arrays["stamp"]).replace('"duplicates": 0', '"duplicates": 1')),
        "hashes": arrays["hashes"] ^ 1,
        "names": arrays["names"][::-1],
        "more": np.zeros(1),
    }
    for name, change in changes.items():
        path = tmp_path / f"{name}.npz"
        np.savez(path, **{**arrays, name: change})
        with pytest.raises(InputError, match=f"{path}: expected what .* wrote, found other contents: they were chan"):
            merge_features([parts[0], path, *parts[2:]])
    np.savez(tmp_path / "short.npz", **{**arrays, "hashes": arrays["hashes"][1:]})
    with pytest.raises(InputError, match=r"expected 4 images of share 1/4 of 17, found other arrays"):
        merge_features([parts[0], tmp_path / "short.npz", *parts[2:]])


@pytest.mark.parametrize(("statistics", "count", "least"), [(False, N + 1, "1 image"), (True, N // 2 + 1, "2 images")])
def test_more_shares_than_images_are_refused(
    photos: Path, tmp_path: Path, statistics: bool, count: int, least: str
) -> None:
    with pytest.raises(InputError, match=f"expected at least {least} for each of {count} shares, found {N} images"):
        extract_features(photos, tmp_path / "x.npz", shard=(0, count), statistics=statistics, settings=SETTINGS)


def test_a_part_is_not_replaced_by_the_whole(parts: list[Path]) -> None:
    before = parts[1].read_bytes()
    with pytest.raises(
        InputError, match=r"--out: expected another file than the parts, found .*, which is one of them"
    ):
        merge_features(parts, parts[1].parent / "." / parts[1].name)
    assert parts[1].read_bytes() == before


def test_a_merged_set_knows_its_kind(parts: list[Path], photos: Path, tmp_path: Path) -> None:
    assert isinstance(merge_features(parts), FeatureSet)
    assert isinstance(merge_features(write_parts(photos, tmp_path, 2, statistics=True)), Statistics)
