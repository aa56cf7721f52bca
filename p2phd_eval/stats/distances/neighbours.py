"""Fidelity and diversity by nearest neighbours: precision and recall, density and coverage."""

import dataclasses

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.progress import OnProgress, part_of, unwatched
from p2phd_eval.stats.distances.nearest import rounding_of, squared_distances, squared_radii
from p2phd_eval.stats.distances.products import CentredRows, Multiply, centred_together, multiply_on_cpu, tile_slices
from p2phd_eval.stats.feature_arrays import checked_features, require_equal_dims
from p2phd_eval.stats.threads import map_in_threads

PRECISION_NEIGHBOURS = 3  # k of Kynkäänniemi et al.
DENSITY_NEIGHBOURS = 5  # k of Naeem et al.

Matrix = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class NeighbourMetrics:
    """What share of one set lies near the other; higher is better."""

    precision: float  # in [0, 1]: generated images within the real images' neighbourhoods
    recall: float  # in [0, 1]: real images within the generated images' neighbourhoods
    density: float  # >= 0, may exceed 1: real neighbourhoods a generated image lies in, over density_k
    coverage: float  # in [0, 1]: real images with a generated image in their neighbourhood
    precision_k: int  # neighbours that give a neighbourhood its radius, for precision and recall
    density_k: int  # the same for density and coverage


def neighbour_metrics(
    real: npt.ArrayLike,
    fake: npt.ArrayLike,
    *,
    precision_k: int = PRECISION_NEIGHBOURS,
    density_k: int = DENSITY_NEIGHBOURS,
    multiply: Multiply = multiply_on_cpu,
    on_progress: OnProgress = unwatched,
) -> NeighbourMetrics:
    """Improved precision and recall, density and coverage of two sets of features.

    The neighbourhood of an image is the closed ball around it that reaches to its k-th nearest other image of its
    own set. A tie counts as inside, and so do distances that only rounding could have made larger than the radius:
    copies of an image are in each other's neighbourhoods, even where k of them make the radius 0.

    All four depend on the number of images; compare them at one n only.

    The counts are those of float64. Distances are found in float32 first; all that its error leaves open, which is
    little, is looked at again in float64. Memory is a copy of the features in float32 and, for each core, some tiles of
    1024 x 1024. Raises `InputError` if a set cannot be used, has no more than k images, or the two differ in d.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, more than the larger k of them.
    fake : array_like, shape (n_g, d)
        Features of the generated images, likewise.
    precision_k, density_k : int
        Neighbours, at least 1.
    multiply : callable, optional
        What multiplies in float32; see `p2phd_eval.features.device_products` for a GPU.
    on_progress : callable, optional
        Called with (blocks of images done, blocks).

    References
    ----------
    Kynkäänniemi et al. (2019), "Improved precision and recall metric for assessing generative models", eqs. 1 and 2;
    Naeem et al. (2020), "Reliable fidelity and diversity metrics for generative models", section 3.
    """
    real_values, fake_values = checked_features(real, "real"), checked_features(fake, "fake")
    require_equal_dims(real_values, fake_values)
    for name, values in (("real", real_values), ("fake", fake_values)):
        _require_neighbours(name, len(values), (precision_k, density_k))
    # Distances do not change, but their rounding grows with the features' distance from 0.
    reals, fakes = centred_together(real_values, fake_values, multiply)
    blocks = [len(list(tile_slices(len(each)))) for each in (reals, fakes)]
    steps = 2 * blocks[0] + blocks[1]
    real_radii = squared_radii(reals, (precision_k, density_k), part_of(on_progress, 0, blocks[0], steps))
    fake_radii = squared_radii(fakes, (precision_k,), part_of(on_progress, blocks[0], blocks[1], steps))[0]

    def work(rows: slice) -> _Found:
        return _found(reals, fakes, rows, real_radii[:, rows], fake_radii)

    progress = part_of(on_progress, sum(blocks), blocks[0], steps)
    found = map_in_threads(work, list(tile_slices(len(reals))), True, progress)
    return NeighbourMetrics(
        precision=float(np.any([each.precise for each in found], axis=0).mean()),
        recall=sum(each.recalled for each in found) / len(reals),
        density=sum(each.memberships for each in found) / (density_k * len(fakes)),
        coverage=sum(each.covered for each in found) / len(reals),
        precision_k=precision_k,
        density_k=density_k,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Found:
    """What a block of real images has among all generated ones."""

    precise: npt.NDArray[np.bool_]  # (n_g,), which of them lie in these images' neighbourhoods
    recalled: int  # of these images, how many lie in the neighbourhood of a generated one
    memberships: int  # pairs of a generated image and a wider neighbourhood that it lies in
    covered: int  # of these images, how many have a generated one in their wider neighbourhood


def _found(reals: CentredRows, fakes: CentredRows, rows: slice, real_radii: Matrix, fake_radii: Matrix) -> _Found:
    """Look from real images (m) at all generated ones; `real_radii` [2, m], for precision and for density."""
    widest = real_radii.max(axis=0).astype(np.float32)
    # To float32 upwards, so that nothing is lost that lies inside.
    widest, reach = (np.nextafter(each, np.float32(np.inf)) for each in (widest, fake_radii.astype(np.float32)))
    precise = np.zeros(len(fakes), dtype=bool)
    recalled, covered = np.zeros((2, rows.stop - rows.start), dtype=bool)
    memberships = 0
    for columns in tile_slices(len(fakes)):
        least, error = squared_distances(reals, rows, fakes, columns)
        i, j = np.nonzero((least <= widest[:, None]) | (least <= reach[columns]))
        squares, radii = least[i, j].astype(np.float64), (*real_radii[:, i], fake_radii[columns][j])
        most = squares + 2 * (error[0][i] + error[1][j])
        open_ = np.any([(squares <= radius) & (radius < most) for radius in radii], axis=0)
        squares[open_] = _exact(reals, rows, fakes, columns, i[open_], j[open_])
        in_real, in_wider, in_fake = (squares <= radius for radius in radii)
        precise[columns.start + j[in_real]] = True
        recalled[i[in_fake]] = True
        covered[i[in_wider]] = True
        memberships += int(in_wider.sum())
    return _Found(precise=precise, recalled=int(recalled.sum()), memberships=memberships, covered=int(covered.sum()))


def _exact(
    reals: CentredRows,
    rows: slice,
    fakes: CentredRows,
    columns: slice,
    i: npt.NDArray[np.intp],
    j: npt.NDArray[np.intp],
) -> Matrix:
    """Squared distances [p] of pairs (i, j) of a tile in float64, less all that rounding could have added to them or
    taken from a radius.
    """
    left, at_left = np.unique(i, return_inverse=True)
    right, at_right = np.unique(j, return_inverse=True)
    x, y = reals.wide(rows.start + left), fakes.wide(columns.start + right)
    squares = np.square(x).sum(axis=1)[at_left] + np.square(y).sum(axis=1)[at_right] - 2 * (x @ y.T)[at_left, at_right]
    exact: Matrix = squares - rounding_of(x)[at_left] - rounding_of(y)[at_right]
    return exact


def _require_neighbours(name: str, n: int, neighbours: tuple[int, ...]) -> None:
    if min(neighbours) < 1:
        raise InputError("neighbours", expected="k of at least 1", found=str(min(neighbours)))
    if n <= max(neighbours):
        raise InputError(
            f"{name} features",
            expected=f"more than k = {max(neighbours)} images, so that each has k neighbours",
            found=f"{n}",
            fix="Give more images or a smaller k.",
        )
