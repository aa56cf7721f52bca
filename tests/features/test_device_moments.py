from functools import partial

import numpy as np
import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.features.device_moments import DeviceSums, accumulator_on, frechet_distance_on, trace_sqrt_on
from p2phd_eval.stats.distances.frechet import frechet_distance_from_moments, trace_sqrt_of_covariances
from p2phd_eval.stats.distances.moments import MomentAccumulator, Moments, moments
from p2phd_eval.stats.feature_arrays import BLOCK_ROWS

DEVICES = [torch.device("cpu"), pytest.param(torch.device("cuda:0"), marks=pytest.mark.cuda)]


def features(n, d=40, seed=0):
    scale = np.arange(1, d + 1) ** -0.5
    return (3 + np.random.default_rng(seed).normal(size=(n, d)) * scale).astype(np.float32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("n", [2, BLOCK_ROWS, 2 * BLOCK_ROWS + 100])
def test_a_device_sums_to_the_moments_of_numpy(device, n):
    values = features(n)
    accumulator = MomentAccumulator(partial(DeviceSums, device))
    for part in np.split(values, [1, n // 2]):
        accumulator.update(part)
        accumulated = accumulator.result() if accumulator.n > 1 else None
    expected = moments(values)
    assert accumulated.n == n
    np.testing.assert_allclose(accumulated.mean, expected.mean, rtol=1e-12)
    largest = np.abs(expected.covariance).max()
    np.testing.assert_allclose(accumulated.covariance, expected.covariance, rtol=1e-10, atol=1e-13 * largest)
    np.testing.assert_array_equal(accumulated.covariance, accumulated.covariance.T)


@pytest.mark.parametrize("device", DEVICES)
def test_the_distance_is_that_of_numpy(device):
    real, fake = moments(features(300)), moments(features(200, seed=1))
    result = frechet_distance_on(str(device), real, fake)
    assert result.value == pytest.approx(frechet_distance_from_moments(real, fake).value, rel=1e-10)
    assert (result.method, result.note) == ("covariances", "")
    trace = trace_sqrt_on(device, real.covariance, fake.covariance)
    assert trace == pytest.approx(trace_sqrt_of_covariances(real.covariance, fake.covariance), rel=1e-10)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("n_real", "n_fake"), [(30, 200), (200, 30), (30, 30)])
def test_singular_covariances_go_the_careful_way(device, n_real, n_fake):
    real, fake = moments(features(n_real)), moments(features(n_fake, seed=1))
    expected = frechet_distance_from_moments(real, fake).value
    assert frechet_distance_on(device, real, fake).value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("device", DEVICES)
def test_equal_moments_have_distance_zero(device):
    real = moments(features(300))
    assert frechet_distance_on(device, real, real).value == 0.0


def test_mps_falls_back_to_the_cpu_with_a_note():
    # Nothing is sent to the device, so that its name alone will do.
    real, fake = moments(features(300)), moments(features(200, seed=1))
    result = frechet_distance_on("mps", real, fake)
    assert result.value == frechet_distance_from_moments(real, fake).value
    assert result.note == "mps has no float64: the moments and the distance were computed on the CPU"
    accumulator = accumulator_on("mps")
    accumulator.update(features(300))
    np.testing.assert_array_equal(accumulator.result().covariance, real.covariance)


def test_arrays_that_cannot_be_written_to_will_do():
    real, fake = moments(features(300)), moments(features(200, seed=1))
    for side in (real, fake):
        side.covariance.setflags(write=False)
    assert trace_sqrt_on("cpu", real.covariance, fake.covariance) > 0


def test_moments_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="found 40 and 39"):
        frechet_distance_on("cpu", moments(features(300)), moments(features(300)[:, 1:]))
    bad = Moments(n=5, mean=np.zeros(2), covariance=np.array([[1.0, 2.0], [2.0, 1.0]]))
    good = Moments(n=5, mean=np.zeros(2), covariance=np.eye(2))
    for real, fake in ((good, bad), (bad, good)):
        with pytest.raises(InputError, match="positive semi-definite"):
            frechet_distance_on("cpu", real, fake)
