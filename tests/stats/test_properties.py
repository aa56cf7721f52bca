"""What must not change the results: shift, rotation, the order of the arms, copies of all images, clusters of one.

Hypothesis chooses sizes, features and seeds.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.frechet import frechet_distance, frechet_distance_from_moments
from p2phd_eval.stats.distances.moments import moments
from p2phd_eval.stats.errors.extrapolation import half_samples
from p2phd_eval.stats.errors.intervals import at_n_error, fid_interval, population_estimate
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.compared_arms import compare_fid
from p2phd_eval.stats.verdicts.equivalence import Verdict

few = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 2**32 - 1)
numbers = st.integers(8, 48)
dims = st.integers(1, 60)


def triplets(n, d, seed):
    """Real, baseline and candidate features of n label maps, with spectra that differ."""
    rng = np.random.default_rng(seed)
    scene = rng.normal(size=(n, d))
    scales = np.exp(rng.normal(size=(3, d)) / 2)
    return tuple(0.3 * k + scale * (scene + rng.normal(size=(n, d))) for k, scale in enumerate(scales))


def rotation(d, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def difference(real, baseline, candidate, clusters=None):
    """dFID at n and extrapolated, with their standard errors."""
    design = SamplingDesign.paired(len(real), 3, clusters)
    samples = half_samples([real, baseline, candidate], design, splits=2, rng=np.random.default_rng(0))
    population = population_estimate(samples, (-1, 1), design)
    return np.array(
        [
            population.richardson.at_n,
            population.value,
            at_n_error(samples.whole, (-1, 1), design).value,
            population.sampling_error.value,
        ]
    )


def scale_of(*sets):
    """What rounding is relative to: the largest second moment about the common mean."""
    centre = np.mean(sets[0], axis=0)
    return max(np.square(each - centre).sum(axis=1).max() for each in sets)


@few
@given(n=numbers, d=dims, seed=seeds, shift=st.floats(-30, 30))
def test_shift_and_rotation_of_the_features_change_nothing(n, d, seed, shift):
    sets = triplets(n, d, seed)
    turned = [each @ rotation(d, seed) + shift for each in sets]
    tolerance = 1e-8 * scale_of(*sets)
    for fake in (1, 2):
        plain, moved = (frechet_distance(each[0], each[fake]).value for each in (sets, turned))
        assert moved == pytest.approx(plain, abs=tolerance)
    np.testing.assert_allclose(difference(*turned), difference(*sets), rtol=1e-6, atol=tolerance)


@few
@given(n=st.integers(60, 120), d=st.integers(1, 4), seed=seeds, paired=st.booleans())
def test_shift_and_rotation_do_not_move_the_interval(n, d, seed, paired):
    real, fake, _ = triplets(n, d, seed)
    turned = [each @ rotation(d, seed) - 7 for each in (real, fake)]
    plain, moved = fid_interval(real, fake, paired=paired), fid_interval(*turned, paired=paired)
    assert (plain.interval is None) == (moved.interval is None)
    assert moved.population.error.value == pytest.approx(plain.population.error.value, rel=1e-6)
    if plain.interval is not None:
        assert moved.interval == pytest.approx(plain.interval, rel=1e-6, abs=1e-8 * scale_of(real, fake))


@few
@given(n=numbers, d=dims, seed=seeds)
def test_swapping_the_arms_negates_the_difference(n, d, seed):
    real, baseline, candidate = triplets(n, d, seed)
    there, back = difference(real, baseline, candidate), difference(real, candidate, baseline)
    np.testing.assert_allclose(back, there * [-1, -1, 1, 1], rtol=1e-9, atol=1e-12)
    design = SamplingDesign.paired(n, 3)
    samples = half_samples([real, baseline, candidate], design, splits=2, rng=np.random.default_rng(0))
    forward, backward = samples.contrast((-1, 1)), samples.contrast((1, -1))
    assert (backward.value, backward.at_n) == (-forward.value, -forward.at_n)
    assert backward.residual_bias == forward.residual_bias
    for psi, negated in zip(forward.influences, backward.influences, strict=True):
        np.testing.assert_array_equal(negated, -psi)


@few
@given(n=st.integers(2, 48), d=dims, seed=seeds, copies=st.integers(2, 4))
def test_copies_of_all_images_leave_the_plug_in_fid_as_it_is(n, d, seed, copies):
    """With covariances over n; over n - 1, copies count as further images."""
    real, fake, _ = triplets(n, d, seed)

    def plug_in(*sets):
        of_sets = [moments(each) for each in sets]
        return frechet_distance_from_moments(
            *(dataclasses.replace(each, covariance=each.covariance * (each.n - 1) / each.n, ddof=0) for each in of_sets)
        ).value

    copied = [np.tile(each, (copies, 1)) for each in (real, fake)]
    # Below n = d the singular directions of the covariances are known to about the root of rounding.
    assert plug_in(*copied) == pytest.approx(plug_in(real, fake), abs=1e-6 * scale_of(real, fake))


@few
@given(n=numbers, d=dims, seed=seeds)
def test_zero_at_identity(n, d, seed):
    real, baseline, _ = triplets(n, d, seed)
    assert frechet_distance(real, real.copy()).value == 0
    own = fid_interval(real, real.copy(), paired=True)
    assert (own.fid, own.population.value) == pytest.approx((0, 0), abs=1e-9 * scale_of(real))
    assert not difference(real, baseline, baseline.copy()).any()


@few
@given(n=numbers, d=dims, seed=seeds)
def test_clusters_of_one_image_change_nothing(n, d, seed):
    sets = triplets(n, d, seed)
    labels = [f"image {k:03}" for k in range(n)]
    np.testing.assert_array_equal(difference(*sets, clusters=labels), difference(*sets))
    # Any order of the labels: only the splits are others.
    design, shuffled = SamplingDesign.paired(n, 3), SamplingDesign.paired(n, 3, rotation(n, seed)[0])
    influences = [each[:, 0] - each[:, 0].mean() for each in sets]
    assert shuffled.standard_error(influences).value == pytest.approx(design.standard_error(influences).value)


SWAPPED = {Verdict.WORSE: Verdict.BETTER, Verdict.BETTER: Verdict.WORSE}
whole = settings(max_examples=8, deadline=None)


def numbers_of(result):
    """What a comparison says of the FIDs, images random."""
    at_n, extrapolated = result.at_n, result.difference(Estimand.FID)
    return (
        at_n.estimate,
        extrapolated.estimate,
        at_n.error.value,
        extrapolated.population.sampling_error.value,
        extrapolated.error.value,
    )


@whole
@given(n=numbers, d=dims, seed=seeds, shift=st.floats(-5, 5))
def test_comparison_is_the_same_after_shift_and_rotation(n, d, seed, shift):
    sets = triplets(n, d, seed)
    plain, moved = (compare_fid(*each, margin=1) for each in (sets, [x @ rotation(d, seed) + shift for x in sets]))
    assert numbers_of(moved) == pytest.approx(numbers_of(plain), rel=1e-6, abs=1e-8 * scale_of(*sets))
    assert moved.interval == pytest.approx(plain.interval, rel=1e-6, abs=1e-8 * scale_of(*sets))


@whole
@given(n=numbers, d=dims, seed=seeds)
def test_comparison_with_the_arms_swapped(n, d, seed):
    real, baseline, candidate = triplets(n, d, seed)
    there, back = compare_fid(real, baseline, candidate, margin=5), compare_fid(real, candidate, baseline, margin=5)
    signs = np.array([-1, -1, 1, 1, 1])
    assert numbers_of(back) == pytest.approx(tuple(signs * numbers_of(there)), rel=1e-9)
    assert back.estimate == pytest.approx(-there.estimate)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))
    assert (back.test.p_lower, back.test.p_upper) == pytest.approx((there.test.p_upper, there.test.p_lower))
    assert back.test.verdict is SWAPPED.get(there.test.verdict, there.test.verdict)


@whole
@given(n=st.integers(8, 48), d=st.integers(1, 8), seed=seeds)
def test_comparison_of_a_set_with_itself(n, d, seed):
    real, baseline, _ = triplets(n, d, seed)
    result = compare_fid(real, baseline, baseline.copy(), margin=1e-6)
    assert (result.estimate, result.interval, result.at_n.estimate) == (0, (0, 0), 0)
    assert result.verdict is Verdict.WITHIN


@whole
@given(n=numbers, d=dims, seed=seeds)
def test_comparison_with_clusters_of_one_image(n, d, seed):
    sets = triplets(n, d, seed)
    plain, single = (compare_fid(*sets, margin=1, clusters=each) for each in (None, np.arange(n) * 10))
    assert single.test == plain.test
    assert numbers_of(single) == numbers_of(plain)
