from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.fid_of_moments import fid_from_statistics
from p2phd_eval.features.statistics import Statistics
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.distances.moments import moments
from tests.features.feature_sets import STAMP

D = 6


def features(n, seed):
    return np.random.default_rng(seed).normal(seed, 1, (n, D))


def statistics(values, name, **changes):
    n, dims = values.shape
    stamp = replace(STAMP, dims=dims, n=n, formats={"PNG": n})
    made = Statistics(moments=moments(values), stamp=stamp, path=Path(name))
    return replace(made, **changes)


def test_the_fid_is_that_of_the_features():
    real, fake = features(60, 0), features(60, 1)
    result = fid_from_statistics(statistics(real, "real.npz"), statistics(fake, "fake.npz"))
    assert result.fid == result.distance.value == pytest.approx(frechet_distance(real, fake).value, rel=1e-12)
    assert (result.n_real, result.n_fake) == (60, 60)
    assert result.real_stamp == result.fake_stamp
    assert result.warnings == ()


def test_what_is_not_known_is_said():
    real = statistics(features(60, 0), "real.npz")
    stranger = statistics(features(60, 1), "theirs.npz", stamp=None, notes=("sigma is in float32",))
    stranger = replace(stranger, moments=replace(stranger.moments, n=None))
    result = fid_from_statistics(real, stranger)
    assert (result.n_fake, result.fake_stamp) == (None, None)
    assert result.warnings == (
        "sigma is in float32",
        "theirs.npz does not say how it was made: that network, resize and images fit cannot be checked",
        "theirs.npz does not say of how many images it is, on which the bias of the FID depends",
    )
    assert len(fid_from_statistics(stranger, stranger).warnings) == 6


def test_unequal_and_small_numbers_and_duplicates_are_warned_of():
    real, fake = statistics(features(60, 0), "real.npz"), statistics(features(4, 1), "fake.npz")
    fake = replace(fake, stamp=replace(fake.stamp, duplicates=1, formats={"JPEG": 4}))
    real = replace(real, stamp=replace(real.stamp, oddities={"dark": 7}, odd_examples={"dark": "x.png"}))
    warnings = "\n".join(fid_from_statistics(real, fake).warnings)
    for part in (
        "60 real and 4 generated",
        f"fewer than its {D} features",
        "1 of 4 are copies",
        "are JPEG",
        "7 of 60, such as x.png",
    ):
        assert part in warnings


def test_sets_made_differently_are_refused_unless_forced():
    real, fake = statistics(features(60, 0), "real.npz"), statistics(features(60, 1), "fake.npz")
    fake = replace(fake, stamp=replace(fake.stamp, resize="clean"))
    with pytest.raises(InputError, match="the resize mode of the real images, legacy-pytorch, found clean"):
        fid_from_statistics(real, fake)
    forced = fid_from_statistics(real, fake, force=True)
    assert any("resize mode" in warning and "by force" in warning for warning in forced.warnings)


def test_another_dimension_is_refused_even_if_forced():
    real, fake = statistics(features(60, 0), "real.npz"), statistics(features(60, 1)[:, 1:], "fake.npz", stamp=None)
    with pytest.raises(InputError, match=r"fake\.npz: expected 6 features an image, as real\.npz has, found 5"):
        fid_from_statistics(real, fake, force=True)


def test_a_distance_set_to_zero_is_noted():
    rng = np.random.default_rng(0)
    sets = [features(60, seed) for seed in range(20)]
    results = [fid_from_statistics(statistics(x, "a"), statistics(rng.permutation(x), "b")) for x in sets]
    assert all(result.fid >= 0 for result in results)
    noted = [result for result in results if result.distance.note]
    assert noted  # some of 20 sets round downwards
    assert all(result.warnings == (result.distance.note,) for result in noted)
