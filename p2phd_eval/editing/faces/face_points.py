"""The 68 points of a face in iBUG's order, the curves that they lie on, and the parts that these bound.

Parts, labels and the mirrored forehead are those of vid2vid's face data set (Wang et al. 2018, section 4: sketches of
faces), on whose maps pix2pixHD's talk shows faces being changed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError

#: x and y of points, float64 (n, 2), in pixels; the centre of the top left pixel is (0, 0).
Points = npt.NDArray[np.float64]

N_POINTS = 68

#: Names of the part labels, by number.
PART_NAMES: tuple[str, ...] = ("background", "face", "eyebrows", "nose", "eyes", "lips", "mouth")

#: The point that each one becomes where the picture is mirrored: points[MIRRORED] is again in iBUG's order.
MIRRORED: tuple[int, ...] = (
    *range(16, -1, -1),  # jaw, from ear to ear
    *range(26, 16, -1),  # eyebrows
    *range(27, 31),  # ridge of the nose
    *range(35, 30, -1),  # base of the nose
    *(45, 44, 43, 42, 47, 46),  # eyes
    *(39, 38, 37, 36, 41, 40),
    *range(54, 47, -1),  # lips outside
    *range(59, 54, -1),
    *range(64, 59, -1),  # lips inside
    *range(67, 64, -1),
)

_FOREHEAD_HEIGHT = 2 / 3  # of the jaw's depth
_FAR = 1.0  # sides of the picture that a point may lie outside of it
_LEAST = 8.0  # pixels of a face's width and height; fractions of the picture's size are below


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a face: its curves, each a run of points (those from 68 on are the forehead's), end to end."""

    name: str
    label: int  # an index into PART_NAMES
    curves: tuple[tuple[int, ...], ...]

    @property
    def outline(self) -> tuple[int, ...]:
        """The points of the polygon that the part fills."""
        return tuple(point for curve in self.curves for point in curve)


#: The eight parts, in the order in which they are painted. Left and right are the person's, as iBUG has them; the left
#: eye's curves begin at its outer corner, as the right eye's do, so that a mirrored face has mirrored curves.
PARTS: tuple[Part, ...] = (
    Part(name="face", label=1, curves=((*range(17), *range(68, 83), 0),)),
    Part(name="right eyebrow", label=2, curves=(tuple(range(17, 22)),)),
    Part(name="left eyebrow", label=2, curves=(tuple(range(26, 21, -1)),)),
    Part(name="nose", label=3, curves=((28, 31), tuple(range(31, 36)), (35, 28))),
    Part(name="right eye", label=4, curves=((36, 37, 38, 39), (39, 40, 41, 36))),
    Part(name="left eye", label=4, curves=((45, 44, 43, 42), (42, 47, 46, 45))),
    Part(name="lips", label=5, curves=(tuple(range(48, 55)), (*range(54, 60), 48))),
    Part(name="mouth", label=6, curves=(tuple(range(60, 65)), (*range(64, 68), 60))),
)


def with_forehead(points: Points) -> Points:
    """Return the 68 points and the 15 of the forehead: the jaw's, mirrored at the height of its ends.

    The line between the ends is taken as horizontal at their mean height, and the forehead is two thirds as high as the
    jaw is deep, as in the published procedure, which rounds both to whole pixels.
    """
    base = (points[0, 1] + points[16, 1]) / 2
    forehead = points[15:0:-1].copy()
    forehead[:, 1] = base + (base - forehead[:, 1]) * _FOREHEAD_HEIGHT
    return np.concatenate([points, forehead])


def check_points(
    points: npt.ArrayLike, size: tuple[int, int] | None = None, places: tuple[str, ...] = (), where: str = "points"
) -> Points:
    """Return points as float64, or raise `InputError` if they cannot be those of a face.

    Parameters
    ----------
    points : array-like, shape (68, 2)
    size : (int, int), optional
        Width and height of the picture, pixels: no point may lie farther outside than the picture is large, and the
        face has to be at least 8 pixels wide and high.
    places : tuple of str, optional
        Where each point stands, for errors: a file and its line.
    where : str
        What errors call all of them: a file.
    """
    given = np.asarray(points)
    if given.shape != (N_POINTS, 2) or given.dtype.kind not in "iuf":
        raise InputError(where, expected="68 points, x and y of each", found=f"{given.dtype} {given.shape}")
    found: Points = given.astype(np.float64)
    for number in np.flatnonzero(~np.isfinite(found).all(axis=1))[:1].tolist():
        raise InputError(
            _place(number, places, where),
            expected="two finite numbers, x and y",
            found=_shown(found[number]),
            fix="Every point is needed: leave out faces that were not found whole.",
        )
    if size is None:
        return found
    sides = np.array(size, dtype=np.float64)
    outside = ((found < -_FAR * sides) | (found > (1 + _FAR) * sides)).any(axis=1)
    for number in np.flatnonzero(outside)[:1].tolist():
        raise InputError(
            _place(number, places, where),
            expected=f"a point in or near a picture of {size[0]} x {size[1]} pixels",
            found=_shown(found[number]),
            fix="Points are in pixels of the picture: give the photos that they were found in, or their --size.",
        )
    width, height = np.ptp(found, axis=0).tolist()
    if min(width, height) < _LEAST:
        raise InputError(
            where,
            expected=f"a face of {_LEAST:.0f} pixels or more",
            found=f"points that cover {width:.3g} x {height:.3g}",
            fix="Points are in pixels of the picture, not fractions of its size; or it is too small for a face.",
        )
    return found


def _place(number: int, places: tuple[str, ...], where: str) -> str:
    return places[number] if places else f"{where}, point {number}"


def _shown(point: Points) -> str:
    return f"{point[0]:.6g}, {point[1]:.6g}"
