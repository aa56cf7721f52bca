from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from p2phd_eval.editing.faces.face_curves import trace
from p2phd_eval.editing.faces.face_points import PARTS, with_forehead
from tests.editing.faces.face_of_a_photo import FACE, mirrored

CURVES = [curve for part in PARTS for curve in part.curves]
POINTS = with_forehead(FACE)


def distances(samples: npt.NDArray[np.float64], points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of each point, to the nearest sample."""
    return np.linalg.norm(points[:, np.newaxis] - samples, axis=2).min(axis=1)


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_a_curve_goes_through_its_points_and_leaves_no_pixel_out(curve: tuple[int, ...]) -> None:
    samples = trace(POINTS, curve)
    assert np.abs(np.diff(samples, axis=0)).max() <= 0.5 + 1e-9
    assert distances(samples, POINTS[list(curve)]).max() <= 0.36  # half of half a pixel's diagonal
    np.testing.assert_allclose(samples[[0, -1]], POINTS[[curve[0], curve[-1]]], rtol=0, atol=1e-9)


def test_three_points_are_joined_by_the_quadratic_that_polyfit_finds() -> None:
    """As the published procedure fits them, along x or along y."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        t = np.cumsum(rng.uniform(3, 9, 3))
        s = np.cumsum(rng.uniform(-3, 3, 3))
        coefficients = np.polyfit(t, s, 2)
        along_x = trace(np.column_stack([t, s]), (0, 1, 2))
        np.testing.assert_allclose(np.polyval(coefficients, along_x[:, 0]), along_x[:, 1], rtol=0, atol=1e-8)
        np.testing.assert_array_equal(trace(np.column_stack([s, t]), (0, 1, 2)), along_x[:, ::-1])


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_curves_move_scale_and_mirror_with_their_points(curve: tuple[int, ...]) -> None:
    samples = trace(POINTS, curve)
    shift = np.array([7.25, -3.5])
    np.testing.assert_allclose(trace(POINTS + shift, curve), samples + shift, rtol=0, atol=1e-9)
    np.testing.assert_allclose(trace(POINTS * (-1, 1), curve), samples * (-1, 1), rtol=0, atol=1e-9)
    # At 16 times the size there are more samples, on the same curve.
    assert distances(trace(16 * POINTS, curve) / 16, samples).max() < 0.03


def test_a_mirrored_face_has_mirrored_curves() -> None:
    """With its points permuted, so that left and right are again the person's."""
    drawn = np.concatenate([trace(POINTS, curve) for curve in CURVES])
    other = np.concatenate([trace(with_forehead(mirrored(FACE)), curve) for curve in CURVES])
    back = other * (-1, 1) + (511, 0)
    order, back_order = (np.lexsort(np.round(each, 6).T) for each in (drawn, back))
    np.testing.assert_allclose(back[back_order], drawn[order], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "points",
    [
        [(0, 0), (9, 0), (4, 3)],  # it turns back
        [(0, 0), (0, 5), (0, 5)],  # the same point twice
        [(0, 0), (0.5, 8), (9, 8.5)],  # a quadratic would rise by some ten times the points' height
        [(3, 3), (3, 3), (3, 3)],
    ],
)
def test_points_that_no_quadratic_joins_are_joined_by_lines(points: list[tuple[float, float]]) -> None:
    """Where the published procedure leaves a gap or fits a curve that leaves the face."""
    given = np.array(points, dtype=np.float64)
    samples = trace(given, (0, 1, 2))
    assert distances(samples, given).max() < 1e-9
    assert (samples >= given.min(axis=0) - 1e-9).all()
    assert (samples <= given.max(axis=0) + 1e-9).all()
    assert np.abs(np.diff(samples, axis=0)).max(initial=0) <= 0.5 + 1e-9
