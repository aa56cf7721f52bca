from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from p2phd_eval.editing.faces.face_points import MIRRORED, PART_NAMES, PARTS, check_points, with_forehead
from p2phd_eval.errors import InputError
from tests.editing.faces.face_of_a_photo import FACE, SIZE, mirrored


def test_mirroring_twice_gives_every_point_again() -> None:
    assert [MIRRORED[k] for k in MIRRORED] == list(range(68))


def test_a_mirrored_face_is_much_like_the_face() -> None:
    """The order is iBUG's: of a face seen from the front, each point's counterpart lies across from it."""
    centre = FACE[[27, 28, 29, 30]].mean(axis=0)
    across = mirrored(FACE)
    across += centre - across[[27, 28, 29, 30]].mean(axis=0)
    face_width = np.ptp(FACE[:, 0])
    assert np.abs(across - FACE).max() < 0.15 * face_width  # other orders are off by a width


def test_parts_are_eight_and_mirror_images_of_each_other() -> None:
    assert len(PARTS) == 8
    assert {part.label for part in PARTS} == set(range(1, len(PART_NAMES)))
    of = {part.name: part.curves for part in PARTS}
    for side in ("eye", "eyebrow"):
        other_side = tuple(tuple(MIRRORED[k] for k in curve) for curve in of[f"right {side}"])
        assert {frozenset(curve) for curve in other_side} == {frozenset(curve) for curve in of[f"left {side}"]}
        assert [curve[0] for curve in other_side] == [curve[0] for curve in of[f"left {side}"]]


def test_the_forehead_is_the_jaw_mirrored() -> None:
    jaw = FACE[:17]
    forehead = with_forehead(FACE)[68:]
    assert len(forehead) == 15
    np.testing.assert_array_equal(forehead[:, 0], jaw[15:0:-1, 0])
    base = jaw[[0, 16], 1].mean()
    np.testing.assert_allclose((base - forehead[:, 1]) * 1.5, jaw[15:0:-1, 1] - base, rtol=1e-12)
    assert forehead[:, 1].min() < FACE[17:27, 1].min()  # above the eyebrows


def changed(index: int, x: float, y: float) -> npt.NDArray[np.float64]:
    points = FACE.copy()
    points[index] = x, y
    return points


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (FACE[:5], r"points: expected 68 points, x and y of each, found float64 \(5, 2\)"),
        (np.full((68, 2), "x"), "expected 68 points, x and y of each, found <U1"),
        (changed(7, np.nan, 3), "points, point 7: expected two finite numbers, x and y, found nan, 3"),
        (
            changed(9, 1024.5, 3),
            "points, point 9: expected a point in or near a picture of 512 x 512 pixels, found 1024.5, 3",
        ),
        (FACE / 512, "expected a face of 8 pixels or more, found points that cover"),
    ],
)
def test_what_is_no_face_is_refused(points: npt.NDArray[np.float64], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_points(points, SIZE)


def test_points_a_little_outside_are_taken() -> None:
    assert check_points(changed(0, -20, 3), SIZE)[0].tolist() == [-20, 3]
