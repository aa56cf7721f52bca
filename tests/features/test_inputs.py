from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.inputs import as_statistics, naming_choices, open_images_or_features, open_input
from p2phd_eval.features.statistics import Statistics, save_statistics
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.stats.distances.moments import moments
from tests.features.feature_sets import feature_set


@pytest.fixture
def features() -> FeatureSet:
    return feature_set(np.random.default_rng(0).normal(size=(9, 6)))


def test_what_stands_behind_a_path(tmp_path: Path, features: FeatureSet) -> None:
    write_png(tmp_path / "images" / "a.png", np.zeros((4, 4, 3), dtype=np.uint8))
    features.save(tmp_path / "features.npz")
    save_statistics(tmp_path / "statistics.npz", moments(features.values), features.stamp)
    assert isinstance(open_input(tmp_path / "images"), FolderSource)
    found = open_input(tmp_path / "features.npz")
    assert isinstance(found, FeatureSet)
    np.testing.assert_array_equal(found.values, features.values)
    statistics = open_input(tmp_path / "statistics.npz")
    assert isinstance(statistics, Statistics)
    assert statistics.stamp == features.stamp


@pytest.mark.parametrize("nothing", [None, 5])
def test_what_holds_no_images(nothing: object) -> None:
    with pytest.raises(InputError, match=f"expected a path, array, .* or FeatureSet, found {nothing}"):
        open_input(nothing)


def test_features_become_statistics(features: FeatureSet) -> None:
    statistics = as_statistics(features)
    assert statistics.moments.n == 9
    np.testing.assert_allclose(statistics.moments.covariance, np.cov(features.values, rowvar=False), rtol=1e-6)
    assert as_statistics(statistics) is statistics


def test_statistics_tell_no_images_apart(tmp_path: Path, features: FeatureSet) -> None:
    save_statistics(tmp_path / "statistics.npz", moments(features.values), features.stamp)
    with pytest.raises(InputError, match=r"expected images, or features .* found statistics"):
        open_images_or_features(tmp_path / "statistics.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"no archive at all"])
def test_files_that_are_no_npz(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.npz"):
        open_input(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for name in ("none.npz", "none.pt", "none"):
        with pytest.raises(InputError, match=name):
            open_input(tmp_path / name)


def test_errors_tell_how_many_images_were_left_out(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((4, 4, 3), dtype=np.uint8))
    (tmp_path / "b.heic").touch()

    def few(fix: str = "") -> InputError:
        return InputError("images", expected="2", found="1", fix=fix)

    said = r"(?s)found 1\.\nGive more\.\n.*: 1 image .* left out \(b\.heic\)"
    with pytest.raises(InputError, match=said), naming_choices([open_input(tmp_path), None]):
        raise few("Give more.")
    with pytest.raises(InputError, match=r"found 1\.$"), naming_choices([]):
        raise few()
