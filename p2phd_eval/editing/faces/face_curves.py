"""Quadratics through consecutive points of a face, as points so close together that no pixel between them is missed."""

from collections.abc import Sequence

import numpy as np

from p2phd_eval.editing.faces.face_points import Points

_PER_CURVE = 3  # points
_APART = 0.5  # pixels between two samples
# Difference of the slopes of both halves above which a quadratic leaves its points by more than their distance.
_STEEPEST = 4.0


def trace(points: Points, curve: Sequence[int]) -> Points:
    """Return a curve of a face, point by point: a quadratic through each three points that follow each other.

    Two that are left over at the end are joined by a line. Neighbours lie at most half a pixel apart, along x and
    along y.

    `points`: of the face, (n, 2). `curve`: indices of its points.
    """
    starts = range(0, len(curve) - 1, _PER_CURVE - 1)
    return np.concatenate([_through(points[list(curve[k : k + _PER_CURVE])]) for k in starts])


def _through(points: Points) -> Points:
    """A quadratic through three points, as a function of the coordinate in which they take the largest step.

    Where they are no graph of a function in it, or hardly one, they are joined by lines. The published procedure leaves
    a gap, where the leading coefficient is above 1 a pixel: a rule that depends on the size of the picture.
    """
    steps = np.abs(np.diff(points, axis=0)).max(axis=0)
    axis = 0 if steps[0] >= steps[1] else 1
    t, s = points[:, axis], points[:, 1 - axis]
    gaps = np.diff(t)
    if len(points) < _PER_CURVE or gaps[0] * gaps[1] <= 0:
        return _lines(points)
    slopes = np.diff(s) / gaps
    if abs(slopes[1] - slopes[0]) > _STEEPEST:
        return _lines(points)
    # Newton's form: s = s0 + slope (t - t0) + curvature (t - t0)(t - t1).
    curvature = (slopes[1] - slopes[0]) / (t[2] - t[0])
    steepest = np.abs(slopes[0] + curvature * (2 * t[[0, 2]] - t[0] - t[1])).max()
    at = np.linspace(t[0], t[2], _samples(abs(t[2] - t[0]) * max(1.0, steepest)))
    found = np.empty((len(at), 2))
    found[:, axis] = at
    found[:, 1 - axis] = s[0] + (at - t[0]) * (slopes[0] + curvature * (at - t[1]))
    return found


def _lines(points: Points) -> Points:
    lengths = np.abs(np.diff(points, axis=0)).max(axis=1)
    pairs = zip(points[:-1], points[1:], lengths, strict=True)
    return np.concatenate([np.linspace(first, last, _samples(length)) for first, last, length in pairs])


def _samples(length: float) -> int:
    return int(np.ceil(length / _APART)) + 1
