"""Fidelity and diversity by nearest neighbours: precision and recall, density and coverage."""

import dataclasses
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.progress import OnProgress, part_of, unwatched
from p2phd_eval.stats.distances.nearest import NearestOthers, rounding_of, squared_distances
from p2phd_eval.stats.distances.products import (
    CentredRows,
    Multiply,
    Narrow,
    centred_together,
    multiply_on_cpu,
    tile_pairs,
)
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
        Called with (tiles done, tiles in all).

    References
    ----------
    Kynkäänniemi et al. (2019), "Improved precision and recall metric for assessing generative models", eqs. 1 and 2;
    Naeem et al. (2020), "Reliable fidelity and diversity metrics for generative models", section 3.
    """
    real_values, fake_values = checked_features(real, "real"), checked_features(fake, "generated")
    require_equal_dims(real_values, fake_values)
    for name, values in (("real", real_values), ("generated", fake_values)):
        require_neighbours(name, len(values), (precision_k, density_k))
    # Distances do not change, but their rounding grows with the features' distance from 0.
    reals, fakes = centred_together(real_values, fake_values, multiply)
    search = NeighbourSearch(reals, fakes, precision_k=precision_k, density_k=density_k)
    jobs = [
        (add, left, right, tile)
        for add, left, right in (
            (search.add_reals, reals, reals),
            (search.add_fakes, fakes, fakes),
            (search.add_across, reals, fakes),
        )
        for tile in tile_pairs(len(left), len(right), within=left is right)
    ]

    def work(job: Any) -> None:
        add, left, right, (rows, columns) = job
        add(left.narrow_products(rows, right, columns), rows, columns)

    inside = sum(add != search.add_across for add, *_ in jobs)
    map_in_threads(work, jobs[:inside], True, part_of(on_progress, 0, inside, len(jobs)))
    search.settle_radii()
    map_in_threads(work, jobs[inside:], True, part_of(on_progress, inside, len(jobs) - inside, len(jobs)))
    return search.metrics()


class NeighbourSearch:
    """Finds what `neighbour_metrics` is made of from tiles of products, each of which is added once, by any thread.

    First come those of the pairs within each set, on and above the diagonal, then `settle_radii`, then the tiles across
    the sets. Products are overwritten.
    """

    def __init__(self, reals: CentredRows, fakes: CentredRows, *, precision_k: int, density_k: int) -> None:
        self._reals, self._fakes, self._precision_k, self._density_k = reals, fakes, precision_k, density_k
        self._near_reals = NearestOthers(reals, max(precision_k, density_k))
        self._near_fakes = NearestOthers(fakes, precision_k)
        self._precise = np.zeros(len(fakes), dtype=bool)  # whether it lies in a real image's neighbourhood
        self._recalled = np.zeros(len(reals), dtype=bool)  # whether it lies in a generated one's
        self._covered = np.zeros(len(reals), dtype=bool)  # whether one lies in its wider neighbourhood
        self._memberships = 0  # pairs of a generated image and a wider neighbourhood that it lies in
        self._lock = Lock()

    def add_reals(self, products: Narrow, rows: slice, columns: slice) -> None:
        """Look at a tile of real images."""
        self._near_reals.add(products, rows, columns)

    def add_fakes(self, products: Narrow, rows: slice, columns: slice) -> None:
        """Look at a tile of generated images."""
        self._near_fakes.add(products, rows, columns)

    def settle_radii(self) -> None:
        """Make the neighbourhoods, once all tiles within both sets are there."""
        self._real_radii = self._near_reals.squared_radii((self._precision_k, self._density_k))
        self._fake_radii = self._near_fakes.squared_radii((self._precision_k,))[0]

    def add_across(self, products: Narrow, rows: slice, columns: slice) -> None:
        """Look from real images at generated ones."""
        real_radii, fake_radii = self._real_radii[:, rows], self._fake_radii[columns]
        widest = real_radii.max(axis=0).astype(np.float32)
        # To float32 upwards, so that nothing is lost that lies inside.
        widest, reach = (np.nextafter(each, np.float32(np.inf)) for each in (widest, fake_radii.astype(np.float32)))
        least, error = squared_distances(products, self._reals, rows, self._fakes, columns)
        i, j = np.nonzero((least <= widest[:, None]) | (least <= reach))
        squares, radii = least[i, j].astype(np.float64), (*real_radii[:, i], fake_radii[j])
        most = squares + 2 * (error[0][i] + error[1][j])
        open_ = np.any([(squares <= radius) & (radius < most) for radius in radii], axis=0)
        squares[open_] = _exact(self._reals, rows, self._fakes, columns, i[open_], j[open_])
        in_real, in_wider, in_fake = (squares <= radius for radius in radii)
        with self._lock:
            self._precise[columns.start + j[in_real]] = True
            self._recalled[rows.start + i[in_fake]] = True
            self._covered[rows.start + i[in_wider]] = True
            self._memberships += int(in_wider.sum())

    def metrics(self) -> NeighbourMetrics:
        """Return the metrics, once all tiles are there."""
        return NeighbourMetrics(
            precision=float(self._precise.mean()),
            recall=float(self._recalled.mean()),
            density=self._memberships / (self._density_k * len(self._fakes)),
            coverage=float(self._covered.mean()),
            precision_k=self._precision_k,
            density_k=self._density_k,
        )


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


def require_neighbours(name: str, n: int, neighbours: tuple[int, ...]) -> None:
    """Raise InputError if a set of n images has not so many neighbours, or they are none."""
    if min(neighbours) < 1:
        raise InputError("neighbours", expected="k of at least 1", found=str(min(neighbours)))
    if n <= max(neighbours):
        raise InputError(
            f"{name} features",
            expected=f"more than k = {max(neighbours)} images, so that each has k neighbours",
            found=f"{n}",
            fix="Give more images or a smaller k.",
        )
