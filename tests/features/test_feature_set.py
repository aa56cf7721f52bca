from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.features.feature_set import FeatureSet
from tests.features.feature_sets import feature_set


@pytest.fixture
def features() -> FeatureSet:
    return feature_set(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))


def test_what_was_saved_is_read(features: FeatureSet, tmp_path: Path) -> None:
    features.save(tmp_path / "deep" / "f.npz")
    loaded = FeatureSet.load(tmp_path / "deep" / "f.npz")
    assert np.array_equal(loaded.values, features.values)
    assert loaded.values.dtype == np.float32
    assert np.array_equal(loaded.sizes, features.sizes)
    assert (loaded.ids, loaded.stamp) == (features.ids, features.stamp)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_name_the_image(features: FeatureSet, value: float) -> None:
    values = features.values.copy()
    values[2, 1] = value
    with pytest.raises(
        InputError, match=f"features of image '{features.ids[2]}': expected finite numbers, found NaN or"
    ):
        dataclasses.replace(features, values=values)


def test_shapes_must_agree(features: FeatureSet) -> None:
    with pytest.raises(InputError, match=r"expected arrays of shape \(3, d\) and \(3, 2\) for 3 ids"):
        dataclasses.replace(features, ids=features.ids[:3])


def test_other_files_are_refused(features: FeatureSet, tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    message = "expected a feature file"
    with pytest.raises(InputError, match=message):
        FeatureSet.load(path)
    path.write_text("text")
    with pytest.raises(InputError, match=message):
        FeatureSet.load(path)
    features.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=message):
        FeatureSet.load(path)
    np.savez(path, features=features.values)
    with pytest.raises(InputError, match="ids is not a file"):
        FeatureSet.load(path)
    stamp = np.array(json.dumps({"colour": "blue"}))
    np.savez(path, features=features.values, ids=np.array(features.ids), sizes=features.sizes, stamp=stamp)
    with pytest.raises(InputError, match="TypeError"):
        FeatureSet.load(path)


class Malicious:
    """Unpickling it writes a file."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.witness,))


def test_pickled_objects_are_refused_and_not_run(features: FeatureSet, tmp_path: Path) -> None:
    evil = np.array([Malicious(tmp_path / "witness")], dtype=object)
    np.savez(tmp_path / "f.npz", features=features.values, ids=evil, sizes=features.sizes, stamp=np.array("{}"))
    with pytest.raises(InputError, match="expected a feature file"):
        FeatureSet.load(tmp_path / "f.npz")
    assert not (tmp_path / "witness").exists()
