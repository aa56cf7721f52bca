import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2phd_eval.errors import InputError
from p2phd_eval.stats.distances.moments import (
    MomentAccumulator,
    Moments,
    merge_moments,
    moments,
    moments_of_rest,
    moments_without,
)
from p2phd_eval.stats.feature_arrays import BLOCK_ROWS, as_features


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n", [2, 1023, 1024, 2500])  # around the block of 1024 rows
def test_moments_are_those_of_numpy(n, dtype):
    features = np.random.default_rng(0).normal(3, 2, (n, 7)).astype(dtype)
    result = moments(features)
    wide = features.astype(np.float64)
    assert result.n == n
    assert result.covariance.dtype == np.float64
    np.testing.assert_allclose(result.mean, wide.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(result.covariance, np.cov(wide, rowvar=False), rtol=1e-12, atol=1e-14)


def test_a_large_offset_costs_no_digits():
    features = np.random.default_rng(1).normal(size=(3000, 4))
    # A power of two: adding and subtracting it loses only what lies below its last bit.
    shifted = features + 2.0**24
    expected = np.cov(shifted - 2.0**24, rowvar=False)
    np.testing.assert_allclose(moments(shifted).covariance, expected, rtol=1e-12, atol=1e-14)


@given(split=st.integers(2, 38), seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_merged_parts_equal_the_whole_in_either_order(split, seed):
    features = np.random.default_rng(seed).normal(5, 3, (40, 3))
    whole = moments(features)
    first, second = moments(features[:split]), moments(features[split:])
    for merged in (merge_moments(first, second), merge_moments(second, first)):
        assert merged.n == whole.n
        np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-13)
        np.testing.assert_allclose(merged.covariance, whole.covariance, rtol=1e-12, atol=1e-13)


def without_those_of(whole, rows):
    return moments_of_rest(whole, moments(rows))


@pytest.mark.parametrize(
    ("without", "taken_out"),
    [
        (moments_without, 0),
        (moments_without, 1),
        (moments_without, 1500),
        (without_those_of, 2),
        (without_those_of, 1500),
    ],
)
def test_moments_of_what_is_left_are_its_own(without, taken_out):
    features = (1e4 + np.random.default_rng(2).normal(5, 3, (3000, 6))).astype(np.float32)
    features[:, 4] = 7  # a feature without variance has none in any part
    order = np.random.default_rng(3).permutation(3000)
    left = without(moments(features), features[order[:taken_out]])
    expected = moments(features[order[taken_out:]])
    assert left.n == expected.n
    np.testing.assert_allclose(left.mean, expected.mean, rtol=1e-13)
    np.testing.assert_allclose(left.covariance, expected.covariance, rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(left.covariance, left.covariance.T)
    np.testing.assert_array_equal(left.covariance[4], 0)


def test_merging_respects_ddof():
    features = np.random.default_rng(2).normal(size=(30, 3))

    def biased(rows):
        return Moments(n=len(rows), mean=rows.mean(axis=0), covariance=np.cov(rows, rowvar=False, ddof=0), ddof=0)

    merged = merge_moments(biased(features[:11]), biased(features[11:]))
    np.testing.assert_allclose(merged.covariance, biased(features).covariance, rtol=1e-12)
    with pytest.raises(InputError, match="ddof 0 and 1"):
        merge_moments(merged, moments(features))


def test_sets_of_different_d_do_not_merge():
    with pytest.raises(InputError, match="found 3 and 4"):
        merge_moments(moments(np.eye(3)), moments(np.eye(4)))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"shape \(5,\)"),
        (np.zeros((5, 0)), r"shape \(5, 0\)"),
        (np.zeros((5, 2), dtype=complex), "complex128"),
        (np.zeros((1, 2)), "one image has no covariance"),
        (np.zeros((0, 2)), "found 0"),
        (np.where(np.arange(3000)[:, None] == 1500, np.nan, np.ones((1, 2))), "row 1500 "),
        (np.array([[0.0, 1.0], [2.0, -np.inf]]), "row 1 "),
    ],
)
def test_unusable_features_are_refused_by_name(array, message):
    with pytest.raises(InputError, match=message) as caught:
        as_features(array, "real")
    assert caught.value.where == "real features"
    with pytest.raises(InputError):
        moments(array)


def accumulated(*parts):
    accumulator = MomentAccumulator()
    for part in parts:
        accumulator.update(part)
    return accumulator.result()


def assert_same_bits(a, b):
    assert a.n == b.n
    np.testing.assert_array_equal(a.mean, b.mean)
    np.testing.assert_array_equal(a.covariance, b.covariance)


@given(cuts=st.lists(st.integers(0, 2 * BLOCK_ROWS + 300), max_size=5), dtype=st.sampled_from([np.float32, np.float64]))
@settings(max_examples=25, deadline=None)
def test_a_stream_gives_the_same_bits_however_it_is_cut(cuts, dtype):
    features = np.random.default_rng(3).normal(2, 1, (2 * BLOCK_ROWS + 300, 5)).astype(dtype)
    parts = np.split(features, sorted(cuts))  # some of them empty
    assert_same_bits(accumulated(*parts), moments(features))


@pytest.mark.parametrize("n", [2, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1])
def test_a_result_in_between_does_not_disturb_the_stream(n):
    features = np.random.default_rng(4).normal(size=(BLOCK_ROWS + 700, 3))
    accumulator = MomentAccumulator()
    accumulator.update(features[:n])
    assert_same_bits(accumulator.result(), moments(features[:n]))
    accumulator.update(features[n:])
    assert_same_bits(accumulator.result(), moments(features))


def test_the_covariance_is_symmetric_to_the_bit():
    covariance = moments(np.random.default_rng(5).normal(size=(1500, 130))).covariance
    np.testing.assert_array_equal(covariance, covariance.T)


def test_features_that_drift_keep_their_digits():
    # The first block, about whose mean all is summed, lies a thousand standard deviations from the rest.
    rng = np.random.default_rng(6)
    features = rng.normal(size=(8 * BLOCK_ROWS, 4))
    features[BLOCK_ROWS:] += 1000
    expected = np.cov(features, rowvar=False)
    np.testing.assert_allclose(moments(features).covariance, expected, rtol=1e-12)


@pytest.mark.parametrize("n", [2, 700, 2 * BLOCK_ROWS + 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_features_have_no_variance_at_all(n, dtype):
    # 0.1 is no binary fraction: sums of it are rounded.
    result = moments(np.full((n, 3), 0.1, dtype=dtype))
    np.testing.assert_array_equal(result.mean, np.full(3, dtype(0.1), dtype=np.float64))
    np.testing.assert_array_equal(result.covariance, np.zeros((3, 3)))


def test_a_refused_update_leaves_the_stream_as_it_was():
    features = np.random.default_rng(7).normal(size=(BLOCK_ROWS + 50, 3))
    accumulator = MomentAccumulator()
    accumulator.update(features)
    bad = features.copy()
    bad[20] = np.nan
    with pytest.raises(InputError, match=f"row {BLOCK_ROWS + 70} "):  # counted from the beginning of the stream
        accumulator.update(bad)
    with pytest.raises(InputError, match="found 3 and 4"):
        accumulator.update(np.zeros((5, 4)))
    assert_same_bits(accumulator.result(), moments(features))


def test_a_stream_of_less_than_two_rows_has_no_moments():
    accumulator = MomentAccumulator()
    for n in (0, 1):
        with pytest.raises(InputError, match=f"at least 2 images, found {n} "):
            accumulator.result()
        accumulator.update(np.zeros((1, 2)))
    assert accumulator.result().n == 2


def test_moments_of_an_unknown_number_do_not_merge():
    known = moments(np.eye(3))
    with pytest.raises(InputError, match="do not say of how many images"):
        merge_moments(known, Moments(n=None, mean=known.mean, covariance=known.covariance))
