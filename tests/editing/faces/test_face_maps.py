from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage
from skimage.draw import polygon
from skimage.feature import canny

from p2phd_eval.editing.faces.face_maps import edge_map, part_map
from p2phd_eval.editing.faces.face_points import PARTS, with_forehead
from p2phd_eval.errors import InputError
from tests.editing.faces.face_of_a_photo import FACE, SIZE, WHOLE, mirrored, photo

Map = npt.NDArray[np.uint8]


def farthest(a: Map, b: Map) -> float:
    """How far, at most, a pixel that is set in one map is from the nearest that is set in the other."""
    there, other = a > 0, b > 0
    ways = [ndimage.distance_transform_edt(~target)[own].max() for own, target in ((there, other), (other, there))]
    return float(max(ways))


def as_published(points: npt.NDArray[np.float64]) -> Map:
    """The edge map of vid2vid's face data set, from its description: whole pixels, polyfit, a brush of two by two."""
    jaw = points[:17].astype(int)
    base = (jaw[0, 1] + jaw[16, 1]) / 2
    upper = np.column_stack([jaw[1:16, 0], base + (base - jaw[1:16, 1]) * 2 // 3])[::-1]
    all_points = np.concatenate([points, upper]).astype(int)
    drawn = np.zeros(SIZE[::-1], dtype=np.uint8)
    left_eye = ((42, 43, 44, 45), (45, 46, 47, 42))  # from the left of the picture to its right, unlike here
    for part in PARTS:
        for curve in left_eye if part.name == "left eye" else part.curves:
            for k in range(0, len(curve) - 1, 2):
                x, y = all_points[list(curve[k : k + 3])].T
                swapped = np.abs(np.diff(x)).max() < np.abs(np.diff(y)).max()
                t, s = (y, x) if swapped else (x, y)
                coefficients = np.polyfit(t, s, len(t) - 1)
                at = np.linspace(min(t[0], t[-1]), max(t[0], t[-1]), abs(t[-1] - t[0]))
                there = np.polyval(coefficients, at).astype(int)
                columns, rows = (there, at.astype(int)) if swapped else (at.astype(int), there)
                for dx, dy in ((-1, -1), (-1, 0), (0, -1), (0, 0)):
                    drawn[rows + dy, columns + dx] = 255
    return drawn


def test_edges_are_those_of_the_published_procedure() -> None:
    """But for its rounding down, of the points and of each pixel, and its gaps on steep curves."""
    ours, theirs = edge_map(WHOLE, SIZE), as_published(WHOLE)
    assert farthest(ours, theirs) < 2.5
    assert np.count_nonzero(ours) == pytest.approx(np.count_nonzero(theirs), rel=0.1)


def test_lines_are_two_pixels_wide_and_without_grey() -> None:
    square = np.full((68, 2), 20.0)
    square[:17] = np.column_stack([np.linspace(10, 50, 17), np.full(17, 30.0)])
    square[8, 1] = 40
    edges = edge_map(square, (64, 64))
    assert set(np.unique(edges)) == {0, 255}
    assert np.flatnonzero(edges[:, 12]).tolist() == [29, 30]
    drawn = edge_map(FACE, SIZE) > 0
    np.testing.assert_array_equal(ndimage.binary_opening(drawn, np.ones((2, 2))), drawn)


def test_maps_move_with_the_points() -> None:
    for draw in (edge_map, part_map):
        moved = draw(FACE - (-31, -17), SIZE)
        np.testing.assert_array_equal(moved[17:, 31:], draw(FACE, SIZE)[:-17, :-31])


def test_maps_mirror_with_the_points() -> None:
    for draw in (edge_map, part_map):
        np.testing.assert_array_equal(draw(mirrored(FACE), SIZE)[:, ::-1], draw(FACE, SIZE))


def test_maps_scale_with_the_points() -> None:
    size = (3 * SIZE[0], 3 * SIZE[1])
    large_points = (FACE + 0.5) * 3 - 0.5
    small, large = edge_map(FACE, SIZE), edge_map(large_points, size)
    assert farthest(np.kron(small, np.ones((3, 3), np.uint8)), large) <= 5  # lines of 6 pixels around those of 2
    differ = part_map(large_points, size)[1::3, 1::3] != part_map(FACE, SIZE)
    boundary = ndimage.morphological_gradient(part_map(FACE, SIZE), size=3) > 0
    assert not (differ & ~boundary).any()


def test_parts_are_the_polygons_that_scikit_image_fills() -> None:
    """Here pixels that the outline goes through are filled as well: none of them is farther than one pixel."""
    labels = part_map(FACE, SIZE)
    points = with_forehead(FACE)
    expected = np.zeros_like(labels)
    for part in PARTS:
        x, y = points[list(part.outline)].T
        expected[polygon(y, x, expected.shape)] = part.label
    differ = labels != expected
    near = ndimage.binary_dilation(ndimage.morphological_gradient(expected, size=3) > 0)
    assert not (differ & ~near).any()
    assert set(np.unique(labels)) == set(range(7))
    assert labels[133, 224] == 3  # the base of the nose
    assert labels[102, 203] == 4
    assert labels[147, 222] == 6  # inside of the mouth


def test_no_part_vanishes_where_the_face_is_small() -> None:
    small = (FACE - (160, 60)) / 9
    assert set(np.unique(part_map(small, (14, 14)))) == set(range(7))


def test_the_background_is_what_canny_finds_and_the_face_the_points_alone() -> None:
    image = photo()
    edges, lines, face = edge_map(FACE, SIZE, image), edge_map(FACE, SIZE), part_map(FACE, SIZE) > 0
    np.testing.assert_array_equal(edges[face], lines[face])
    grey = (image @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)  # ITU-R BT.601
    expected = canny(grey)
    off = (edges > 0) != (expected | (lines > 0))
    assert off[~face].mean() < 0.002  # where grey is rounded in another way
    assert np.count_nonzero(edges[~face]) > 1000
    other = image.copy()
    other[face] = 255 - other[face]
    inside = ndimage.binary_erosion(face, iterations=6)
    np.testing.assert_array_equal(edge_map(FACE, SIZE, other)[inside], edges[inside])


def test_what_lies_outside_of_the_map_is_left_out() -> None:
    half = edge_map(FACE - (225, 0), SIZE)
    assert np.count_nonzero(half) < np.count_nonzero(edge_map(FACE, SIZE))
    assert np.count_nonzero(half[:, 0]) < 40  # the published procedure draws all of it along the border
    np.testing.assert_array_equal(part_map(FACE - (225, 0), SIZE)[:, :200], part_map(FACE, SIZE)[:, 225:425])
    assert not edge_map(FACE - (400, 0), SIZE).any()


def test_what_cannot_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"photo: expected an array of uint8 \(512, 512, 3\), found \(9, 9, 3\)"):
        edge_map(FACE, SIZE, np.zeros((9, 9, 3), dtype=np.uint8))
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with pytest.raises(InputError, match=r"expected scikit-image, found that it is not installed.\nInstall it: pip"):
        edge_map(FACE, SIZE, photo())
    assert edge_map(FACE, SIZE).any()
