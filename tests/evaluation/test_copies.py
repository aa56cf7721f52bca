from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets
from p2phd_eval.evaluation.copies import copy_warnings, equal_rows
from p2phd_eval.evaluation.fid_of_sets import evaluate_fid
from p2phd_eval.features.feature_set import FeatureSet
from tests.features.feature_sets import feature_set


def noise(seed: int, n: int = 40, dims: int = 4) -> FeatureSet:
    values = np.random.default_rng(seed).standard_normal((n, dims)).astype(np.float32)
    return feature_set(values, ids=[f"{seed}-{i}" for i in range(n)])


def with_copies(real: FeatureSet, fake: FeatureSet, count: int) -> FeatureSet:
    values = fake.values.copy()
    values[5 : 5 + count] = real.values[::-1][:count]
    return dataclasses.replace(fake, values=values)


@pytest.mark.parametrize("n", [1, 40])
def test_rows_are_found_by_their_bits(n: int) -> None:
    first, second = noise(0, n).values, noise(1, n).values
    assert equal_rows(first, second) == {}
    order = np.random.default_rng(2).permutation(n)
    assert equal_rows(first, first[order]) == dict(enumerate(order.tolist()))
    assert equal_rows(first, np.nextafter(first, np.float32(9))) == {}
    assert equal_rows(first, first[:, :3]) == {}


def test_copies_of_real_images_are_counted_and_named() -> None:
    real, fake = noise(0), with_copies(noise(0), noise(1), 12)
    (warning,) = copy_warnings(real, ("fp32", fake))
    assert warning.startswith("fp32: 12 of 40 images are copies of real ones, such as '1-5' = '0-39'")
    assert copy_warnings(real, ("fp32", noise(1))) == ()
    assert warning.removeprefix("fp32") in "".join(evaluate_fid(real, fake, replicates=0, extrapolate=False).warnings)
    arms = [FeatureArm(name=name, runs=(each,)) for name, each in (("fp32", fake), ("amp", noise(2)))]
    result = compare_feature_sets(real, arms, margin=None, replicates=0)
    assert warning in result.warnings
    assert not any("amp" in each and "copies" in each for each in result.warnings)


def test_a_set_against_itself_is_said_to_be_that() -> None:
    real = noise(0)
    for fake in (real, dataclasses.replace(real, values=real.values[::-1], ids=real.ids[::-1])):
        warnings = evaluate_fid(real, fake, replicates=0, extrapolate=False).warnings
        assert any("the generated images are the real images: the distance of a set from itself" in w for w in warnings)


def test_a_network_that_sees_nothing_finds_no_copies() -> None:
    dead = feature_set(np.zeros((9, 4), dtype=np.float32))
    assert copy_warnings(dead, ("fake", dead)) == ()
    copies = dataclasses.replace(dead, stamp=dataclasses.replace(dead.stamp, duplicates=8))
    assert "are the real images" in copy_warnings(copies, ("fake", copies))[0]
