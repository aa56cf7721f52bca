"""The scale of FIDs that real images give by themselves."""

import numpy as np
import pytest

from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.distances.real_scale import real_scale


@pytest.mark.parametrize(("n", "dims"), [(400, 8), (60, 200)])
def test_one_average_image_has_the_fid_that_is_said(n: int, dims: int) -> None:
    rng = np.random.default_rng(0)
    real = rng.lognormal(size=(n, dims))
    scale = real_scale(real, SamplingDesign.paired(n, 2), rng=rng)
    assert scale is not None
    same = np.tile(real.mean(axis=0), (n, 1))
    assert scale.one_image == pytest.approx(frechet_distance(real, same).value, rel=1e-9)
    assert scale.n_half == n // 2


@pytest.mark.parametrize("n", [30, 100, 400])
def test_what_is_drawn_like_the_real_images_is_never_far_away_and_noise_is(n: int) -> None:
    """At 200 dimensions, where FID@n of equal distributions is large with few images."""
    rng = np.random.default_rng(1)
    real, perfect, noise = rng.normal(size=(n, 200)), rng.normal(size=(n, 200)), rng.normal(3, 1, size=(n, 200))
    scale = real_scale(real, SamplingDesign.paired(n, 2), rng=rng)
    assert scale is not None
    fids = [frechet_distance(real, each).value for each in (perfect, noise)]
    assert fids[0] < scale.halves
    assert [scale.far_away(fid) for fid in fids] == [False, True]


def test_images_of_a_cluster_are_in_one_half() -> None:
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(20), 10)
    real = rng.normal(size=(20, 30))[clusters] + 0.01 * rng.normal(size=(200, 30))
    alike, apart = (
        real_scale(real, SamplingDesign.paired(200, 2, codes), rng=np.random.default_rng(3))
        for codes in (None, clusters)
    )
    assert alike is not None
    assert apart is not None
    assert alike.halves < 0.5 * apart.halves


@pytest.mark.parametrize("clusters", [None, [0] * 9 + [1]])
def test_what_cannot_be_halved_has_no_scale(clusters: list[int] | None) -> None:
    n = 3 if clusters is None else len(clusters)
    real = np.random.default_rng(4).normal(size=(n, 5))
    assert real_scale(real, SamplingDesign.paired(n, 2, clusters), rng=np.random.default_rng(0)) is None
