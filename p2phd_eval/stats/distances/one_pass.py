"""The KID and the metrics of neighbours from one pass over the pairs of images: both take the products of all."""

import numpy as np
import numpy.typing as npt

from p2phd_eval.progress import OnProgress, part_of, unwatched
from p2phd_eval.stats.distances.kernel import (
    CubicKernel,
    KernelDistance,
    checked_kernel_sets,
    distance_of_sums,
    kernel_distance,
    kernel_sums,
    pairs_of_sets,
)
from p2phd_eval.stats.distances.neighbours import (
    DENSITY_NEIGHBOURS,
    PRECISION_NEIGHBOURS,
    NeighbourMetrics,
    NeighbourSearch,
    neighbour_metrics,
    require_neighbours,
)
from p2phd_eval.stats.distances.products import (
    CentredRows,
    Matrix,
    Multiply,
    SeesProducts,
    centred_together,
    multiply_on_cpu,
    tile_pairs,
)


def kernel_distance_and_neighbours(
    real: npt.ArrayLike,
    fake: npt.ArrayLike,
    *,
    paired: bool,
    multiply: Multiply = multiply_on_cpu,
    on_progress: OnProgress = unwatched,
) -> tuple[KernelDistance, NeighbourMetrics]:
    """Return what `kernel_distance` and `neighbour_metrics` return, in less time where features are float32.

    Raises `InputError` as they do.
    """
    real_values, fake_values = checked_kernel_sets(real, fake, paired=paired)
    if not real_values.dtype == fake_values.dtype == np.float32:  # which KID multiplies in float64
        return (
            kernel_distance(
                real_values, fake_values, paired=paired, multiply=multiply, on_progress=part_of(on_progress, 0, 50, 100)
            ),
            neighbour_metrics(
                real_values, fake_values, multiply=multiply, on_progress=part_of(on_progress, 50, 50, 100)
            ),
        )
    for name, values in (("real", real_values), ("generated", fake_values)):
        require_neighbours(name, len(values), (PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS))
    reals, fakes = centred_together(real_values, fake_values, multiply)
    search = NeighbourSearch(reals, fakes, precision_k=PRECISION_NEIGHBOURS, density_k=DENSITY_NEIGHBOURS)
    within_reals, within_fakes, _ = pairs_of_sets(
        _ShownRows(reals, search.add_reals), _ShownRows(fakes, search.add_fakes), paired=paired
    )
    *_, across = pairs_of_sets(
        _ShownRows(reals, search.add_across), _ShownRows(fakes, search.add_across), paired=paired
    )
    kernels = [CubicKernel(real_values.shape[1])]
    inside, outside = (
        sum(len(list(tile_pairs(len(each.left), len(each.right), within=each.within))) for each in pairs)
        for pairs in ((within_reals, within_fakes), (across,))
    )
    steps = inside + outside
    sums = kernel_sums((within_reals, within_fakes), kernels, part_of(on_progress, 0, inside, steps))
    search.settle_radii()
    sums += kernel_sums((across,), kernels, part_of(on_progress, inside, outside, steps))
    return distance_of_sums(sums, paired=paired), search.metrics()


class _ShownRows:
    """Rows whose tiles of products are shown to somebody else besides.

    `see`: called with the products of a tile, which it may overwrite, and with its rows and columns.
    """

    def __init__(self, rows: CentredRows, see: SeesProducts) -> None:
        self._rows, self._see = rows, see

    def __len__(self) -> int:
        return len(self._rows)

    def products(self, rows: slice, others: "_ShownRows", columns: slice) -> Matrix:
        """See `TileRows`."""
        narrow = self._rows.narrow_products(rows, others._rows, columns)
        wide = self._rows.widened(narrow, rows, others._rows, columns)
        self._see(narrow, rows, columns)
        return wide

    def squares(self, rows: slice) -> Matrix:
        """See `TileRows`."""
        return self._rows.squares(rows)
