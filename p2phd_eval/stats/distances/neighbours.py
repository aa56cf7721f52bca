"""Fidelity and diversity by nearest neighbours: precision and recall, density and coverage."""

import dataclasses

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.feature_arrays import as_features, require_equal_dims

PRECISION_NEIGHBOURS = 3  # k of Kynkäänniemi et al.
DENSITY_NEIGHBOURS = 5  # k of Naeem et al.

_CHUNK_MIB = 64  # memory of a block of distances, however many images there are


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
    on_progress: OnProgress = unwatched,
) -> NeighbourMetrics:
    """Improved precision and recall, density and coverage of two sets of features.

    The neighbourhood of an image is the closed ball around it that reaches to its k-th nearest other image of its
    own set. A tie counts as inside, and so do distances that only rounding could have made larger than the radius:
    copies of an image are in each other's neighbourhoods, even where k of them make the radius 0.

    All four depend on the number of images; compare them at one n only.

    It computes in float64. Memory is two more copies of the features and some blocks of 64 MiB. Raises `InputError` if
    a set cannot be used, has no more than k images, or the two differ in d.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, more than the larger k of them.
    fake : array_like, shape (n_g, d)
        Features of the generated images, likewise.
    precision_k, density_k : int
        Neighbours, at least 1.

    References
    ----------
    Kynkäänniemi et al. (2019), "Improved precision and recall metric for assessing generative models", eqs. 1 and 2;
    Naeem et al. (2020), "Reliable fidelity and diversity metrics for generative models", section 3.
    """
    from sklearn.metrics import pairwise_distances_chunked  # slow to import

    real_values, fake_values = as_features(real, "real"), as_features(fake, "fake")
    require_equal_dims(real_values, fake_values)
    for name, values in (("real", real_values), ("fake", fake_values)):
        _require_neighbours(name, len(values), (precision_k, density_k))
    # Distances do not change, but their rounding grows with the features' distance from 0.
    centre = real_values.mean(axis=0)
    real_values, fake_values = real_values - centre, fake_values - centre
    n_real, n_fake = len(real_values), len(fake_values)
    real_radii = _squared_radii(real_values, (precision_k, density_k))
    fake_radii = _squared_radii(fake_values, (precision_k,))[0]
    real_rounding, fake_rounding = _rounding(real_values), _rounding(fake_values)

    precise = np.zeros(n_fake, dtype=bool)
    recalled = covered = memberships = start = 0
    for squares in pairwise_distances_chunked(
        real_values, fake_values, metric="euclidean", squared=True, working_memory=_CHUNK_MIB
    ):
        block = slice(start, start + len(squares))
        # Whatever rounding could have added, on either side of the comparisons below, is taken off.
        squares -= real_rounding[block, None]
        squares -= fake_rounding
        precise |= (squares <= real_radii[0, block, None]).any(axis=0)
        recalled += int((squares <= fake_radii).any(axis=1).sum())
        near = squares <= real_radii[1, block, None]
        memberships += int(near.sum())
        covered += int(near.any(axis=1).sum())
        start = block.stop
        on_progress(start, n_real)
    return NeighbourMetrics(
        precision=float(precise.mean()),
        recall=recalled / n_real,
        density=memberships / (density_k * n_fake),
        coverage=covered / n_real,
        precision_k=precision_k,
        density_k=density_k,
    )


def _squared_radii(values: npt.NDArray[np.float64], neighbours: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Squared distance [len(neighbours), n] of each row to its k-th nearest other row, for each k."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=max(neighbours), algorithm="brute").fit(values)
    distances, _ = search.kneighbors()
    radii: npt.NDArray[np.float64] = np.square(distances[:, [k - 1 for k in neighbours]]).T
    return radii


def _rounding(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What each row [n] may add to the rounding of a squared distance |x|^2 + |y|^2 - 2 x'y less a squared radius.

    A dot product over d numbers is off by at most about d eps |x| |y| <= d eps (|x|^2 + |y|^2) / 2, the squares by
    d eps (|x|^2 + |y|^2), and the squared radius by as much again. On average it is sqrt(d) times less.
    """
    bound: npt.NDArray[np.float64] = 4 * values.shape[1] * np.finfo(np.float64).eps * np.square(values).sum(axis=1)
    return bound


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
