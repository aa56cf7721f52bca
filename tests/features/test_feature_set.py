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
    with pytest.raises(InputError, match="no array 'ids'"):
        FeatureSet.load(path)
    stamp = np.array(json.dumps({"colour": "blue"}))
    np.savez(path, features=features.values, ids=np.array(features.ids), sizes=features.sizes, stamp=stamp)
    with pytest.raises(InputError, match=r"stamp: expected the key 'weights', found none"):
        FeatureSet.load(path)


def _changed(stored: FeatureSet, path: Path, **change: object) -> Path:
    """The file of a set with some of its arrays, or keys of its stamp, exchanged."""
    stamp = dataclasses.asdict(stored.stamp) | {key: change.pop(key) for key in [*change] if key not in _ARRAYS}
    arrays = {"features": stored.values, "ids": np.array(stored.ids), "sizes": stored.sizes}
    np.savez(path, **(arrays | {"stamp": np.array(json.dumps(stamp))} | change))
    return path


_ARRAYS = ("features", "ids", "sizes", "stamp")
_WRONG = {
    "texts": ({"features": np.full((4, 3), "1")}, "real numbers, one row an image, found shape .* of <U1"),
    "bytes": ({"features": np.full((4, 3), b"1")}, "found shape .* of |S1"),
    "dates": ({"features": np.zeros((4, 3), "M8[D]")}, r"of datetime64\[D\]"),
    "complex": ({"features": np.ones((4, 3), complex)}, "of complex128"),
    "bits": ({"features": np.ones((4, 3), bool)}, "of bool"),
    "raw": ({"features": np.zeros((4, 3), "V4")}, r"of \|V4"),
    "no rows": ({"features": np.zeros((0, 3)), "ids": np.array([], str), "sizes": np.zeros((0, 2), int)}, "one image"),
    "no columns": ({"features": np.zeros((4, 0)), "dims": 0}, r"found shape \(4, 0\)"),
    "large": ({"features": np.full((4, 3), 3e38)}, r"at most 1e\+12 in size, found 3e\+38 \(4 of 4 images\)"),
    "larger than float32": ({"features": np.full((4, 3), 1e300)}, "found NaN or infinity"),
    "one id": ({"ids": np.array("x")}, r"ids of <U1 \(\) for features"),
    "few ids": ({"ids": np.array(["x"])}, r"ids of <U1 \(1,\) for features"),
    "numbered": ({"ids": np.arange(4)}, "ids of int64"),
    "no characters": ({"ids": np.full(4, 0x7FFFFFFF, "u4").view("U1")}, "'ids' with text that is none"),
    "sizes of texts": ({"sizes": np.full((4, 2), "8")}, "sizes of <U1"),
    "sizes below 0": ({"sizes": np.full((4, 2), -1)}, "no widths and heights"),
    "other width": ({"dims": 5}, "3 features an image, and a stamp that says 5"),
    "NaN in the stamp": ({"tool": float("nan")}, "NaN, which is not a number of JSON"),
    "no formats": ({"formats": None}, r"stamp, \$.formats: expected object, found None"),
    "stamp of numbers": ({"stamp": np.array(3)}, "where a text belongs"),
    "deep stamp": ({"stamp": np.array("[" * 5000 + "]" * 5000)}, "more than 100 deep"),
}


@pytest.mark.parametrize("wrong", _WRONG)
def test_what_is_no_set_of_features_is_refused(features: FeatureSet, tmp_path: Path, wrong: str) -> None:
    change, message = _WRONG[wrong]
    path = _changed(features, tmp_path / "f.npz", **change)
    with pytest.raises(InputError, match=message) as caught:
        FeatureSet.load(path)
    assert str(caught.value).startswith(str(path))


def test_features_are_real_numbers(features: FeatureSet) -> None:
    """Whoever makes a set in Python: nothing is dropped in silence."""
    for values, found in ((features.values + 1j, "complex64"), (features.values.astype(str), "<U32")):
        with pytest.raises(InputError, match=f"of {found}"):
            dataclasses.replace(features, values=values)
    whole = dataclasses.replace(features, values=np.ones((4, 3), int))
    assert whole.values.dtype == np.float32


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
