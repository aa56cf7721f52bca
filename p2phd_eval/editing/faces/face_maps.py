"""Edge maps and part labels of a face from its points."""

import numpy as np
import numpy.typing as npt
from matplotlib.path import Path as Polygon
from PIL import Image

from p2phd_eval.editing.faces.face_curves import trace
from p2phd_eval.editing.faces.face_points import PARTS, Points, check_points, with_forehead
from p2phd_eval.errors import InputError


def edge_map(
    points: npt.ArrayLike, size: tuple[int, int], photo: npt.NDArray[np.uint8] | None = None
) -> npt.NDArray[np.uint8]:
    """Draw the curves of a face, two pixels wide, and around it the edges that a photo has.

    Parameters
    ----------
    points : array-like, shape (68, 2)
        x and y in pixels, in iBUG's order; the centre of the top left pixel is (0, 0).
    size : (int, int)
        Width and height of the map, pixels.
    photo : ndarray, uint8, shape (height, width, 3), optional
        Outside of the face its edges are drawn as well, by Canny's detector (sigma 1, thresholds at 0.1 and 0.2 of the
        range), one pixel wide. Inside, the points alone say what is there, so that moving them changes the face.

    Returns
    -------
    ndarray, uint8, shape (height, width)
        255 on edges, else 0.

    Raises
    ------
    InputError
        If there are not 68 points, they are not finite or far from the picture, or the photo has another size; with a
        photo, if scikit-image is missing.
    """
    checked = with_forehead(check_points(points, size))
    width, height = size
    edges = np.zeros((height, width), dtype=np.bool_)
    for part in PARTS:
        for curve in part.curves:
            _draw(edges, trace(checked, curve))
    if photo is not None:
        if photo.shape != (height, width, 3):
            raise InputError("photo", expected=f"an array of uint8 {(height, width, 3)}", found=str(photo.shape))
        edges |= _canny(photo) & (part_map(points, size) == 0)
    drawn: npt.NDArray[np.uint8] = 255 * edges.astype(np.uint8)
    return drawn


def part_map(points: npt.ArrayLike, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Fill the parts of a face with their labels, as `PART_NAMES` numbers them; later parts cover earlier ones.

    A part is the polygon of its points: every pixel whose centre is inside, and those that its outline goes through, so
    that a small eye does not vanish.

    Parameters
    ----------
    points, size
        As of `edge_map`.

    Returns
    -------
    ndarray, uint8, shape (height, width)
        0 is outside of the face.

    Raises
    ------
    InputError
        As `edge_map`.
    """
    checked = with_forehead(check_points(points, size))
    labels = np.zeros((size[1], size[0]), dtype=np.uint8)
    for part in PARTS:
        _fill(labels, checked[list(part.outline)], part.label)
    return labels


def _draw(edges: npt.NDArray[np.bool_], curve: Points) -> None:
    """Set the two by two pixels around each point of a curve; what is outside of the map is left out.

    Through a pixel's centre they are those up and left of it, as in the published procedure, which rounds down first:
    there all curves lie half a pixel further up and left.
    """
    corner = np.ceil(curve).astype(np.int64)
    for offset in ((-1, -1), (-1, 0), (0, -1), (0, 0)):
        x, y = (corner + offset).T
        inside = (x >= 0) & (x < edges.shape[1]) & (y >= 0) & (y < edges.shape[0])
        edges[y[inside], x[inside]] = True


def _fill(labels: npt.NDArray[np.uint8], outline: Points, label: int) -> None:
    height, width = labels.shape
    closed = np.concatenate([outline, outline[:1]])
    left, top = np.clip(np.floor(outline.min(axis=0)), 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(outline.max(axis=0)) + 1, 0, (width, height)).astype(int).tolist()
    if right > left and bottom > top:
        y, x = np.mgrid[top:bottom, left:right]
        inside = Polygon(closed).contains_points(np.column_stack([x.ravel(), y.ravel()]))
        labels[top:bottom, left:right][inside.reshape(x.shape)] = label
    for k in range(len(outline)):
        x, y = np.rint(trace(closed, (k, k + 1))).astype(np.int64).T
        seen = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        labels[y[seen], x[seen]] = label


def _canny(photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    try:
        from skimage.feature import canny
    except ImportError:
        raise InputError(
            "edges of photos",
            expected="scikit-image",
            found="that it is not installed",
            fix='Install it: pip install "p2phd-eval[faces]", or pip install scikit-image. Or draw the face alone: '
            "--no-background.",
        ) from None
    found: npt.NDArray[np.bool_] = canny(np.asarray(Image.fromarray(photo).convert("L")))  # type: ignore[no-untyped-call]
    return found
