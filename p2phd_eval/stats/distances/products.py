"""Products x'y of the rows of two sets, a tile at a time, in float64 or in float32 with an error that is known.

Where all pairs of images are looked at, these products are nearly all the work, and float32 halves it.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Narrow = npt.NDArray[np.float32]

#: Multiplies the rows (m, d) and (n, d) to (m, n), by sums in float32 of any order; no shorter format, no TF32.
Multiply = Callable[[Narrow, Narrow], Narrow]

#: Called with the products [m, n] of a tile, which may be overwritten, and with its rows and columns.
SeesProducts = Callable[[Narrow, slice, slice], None]

#: Rows of a tile. At d = 2048 a tile of products in float64, or the rows that one is made of in float32, are 8 MiB.
TILE_ROWS = 1024


def multiply_on_cpu(left: Narrow, right: Narrow) -> Narrow:
    """Multiply as `Multiply` says, in NumPy and BLAS."""
    products: Narrow = left @ right.T
    return products


def tile_slices(n: int, start: int = 0) -> Iterator[slice]:
    """Cut the rows from `start` to n into those of tiles."""
    return (slice(first, min(first + TILE_ROWS, n)) for first in range(start, n, TILE_ROWS))


def tile_pairs(m: int, n: int, *, within: bool) -> Iterator[tuple[slice, slice]]:
    """Cut a matrix [m, n] into tiles; of pairs within one set, into those on and above the diagonal."""
    for rows in tile_slices(m):
        for columns in tile_slices(n, rows.start if within else 0):
            yield rows, columns


class TileRows(Protocol):
    """A set of which tiles of products can be had."""

    def __len__(self) -> int: ...

    def products(self, rows: slice, others: Any, columns: slice) -> Matrix:
        """Return x_i'y_j, float64, of these rows of this set and of another one of the same class."""
        ...

    def squares(self, rows: slice) -> Matrix:
        """Return |x_i|^2, float64."""
        ...


class WideRows:
    """Rows (n, d) of any real dtype, multiplied in float64."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._values = values
        self._squares = np.concatenate([squared_lengths(self._wide(rows)) for rows in tile_slices(len(values))])

    def __len__(self) -> int:
        return len(self._values)

    def products(self, rows: slice, others: "WideRows", columns: slice) -> Matrix:
        """See `TileRows`."""
        left = self._wide(rows)
        # The product of a matrix and its own transpose takes NumPy half the work.
        right = left if others is self and rows == columns else others._wide(columns)
        products: Matrix = left @ right.T
        return products

    def squares(self, rows: slice) -> Matrix:
        """See `TileRows`."""
        return self._squares[rows]

    def _wide(self, rows: slice) -> Matrix:
        return self._values[rows].astype(np.float64)


class CentredRows:
    """Rows (n, d) less a centre c, rounded to float32 and multiplied in float32.

    What rounding does to a product grows with the rows' lengths, and features lie far from 0 and near to each other.
    So x'y is put together as (x - c)'(y - c) + c'x + c'y - c'c, of which the first term alone is in float32. With
    u = 2^-24, a = x - c and b = y - c it is off by at most (d + 2) u |a| |b|, and u |a| |b| is what is seen.

    `values`: (n, d), any real dtype. `centre`: (d,). `unit`: what rows are divided by before they are rounded, a power
    of two near the largest |x - c|, so that nothing leaves the range of float32.
    """

    def __init__(self, values: npt.NDArray[Any], centre: Matrix, unit: float, multiply: Multiply) -> None:
        self.rows: Narrow = np.empty(values.shape, dtype=np.float32)  # (x - c) / unit
        self.lengths = np.empty(len(values))  # squares of their lengths
        self._along = np.empty(len(values))  # c'x - c'c/2
        self._values, self._centre, self._unit, self._multiply = values, centre, unit, multiply
        for block in tile_slices(len(values)):
            wide = self.wide(block)
            self.rows[block] = wide
            self._along[block] = wide @ centre * unit + centre @ centre / 2
            self.lengths[block] = squared_lengths(self.rows[block].astype(np.float64))

    def __len__(self) -> int:
        return len(self.rows)

    def wide(self, rows: Any) -> Matrix:
        """Return (x - c) / unit of these rows in float64, not rounded."""
        wide: Matrix = self._values[rows] - self._centre
        wide /= self._unit
        return wide

    def differences(self, left: npt.NDArray[np.intp], right: npt.NDArray[np.intp]) -> Matrix:
        """Return (x_i - x_j) / unit [p, d] in float64 of pairs of these rows."""
        apart: Matrix = np.subtract(self._values[left], self._values[right], dtype=np.float64)
        apart /= self._unit
        return apart

    def narrow_products(self, rows: slice, others: "CentredRows", columns: slice) -> Narrow:
        """Return the products of what `rows` holds, as they come out of float32."""
        return self._multiply(self.rows[rows], others.rows[columns])

    def products(self, rows: slice, others: "CentredRows", columns: slice) -> Matrix:
        """See `TileRows`; the other set has the same centre and unit."""
        return self.widened(self.narrow_products(rows, others, columns), rows, others, columns)

    def widened(self, narrow: Narrow, rows: slice, others: "CentredRows", columns: slice) -> Matrix:
        """Return x_i'y_j, float64, from what `narrow_products` gave for the same rows and columns."""
        products = narrow.astype(np.float64)
        products *= self._unit**2
        products += self._along[rows, None]
        products += others._along[columns]
        return products

    def squares(self, rows: slice) -> Matrix:
        """See `TileRows`."""
        return self.lengths[rows] * self._unit**2 + 2 * self._along[rows]


def centred_together(
    first: npt.NDArray[Any], second: npt.NDArray[Any], multiply: Multiply
) -> tuple[CentredRows, CentredRows]:
    """Centre two sets, (m, d) and (n, d), at the mean of the first, with one unit."""
    centre = first.mean(axis=0, dtype=np.float64)
    largest = max(
        float(np.abs(values[rows] - centre).max()) for values in (first, second) for rows in tile_slices(len(values))
    )
    unit = float(2.0 ** np.ceil(np.log2(largest))) if largest else 1.0
    return CentredRows(first, centre, unit, multiply), CentredRows(second, centre, unit, multiply)


def squared_lengths(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return |x|^2 [n] of rows [n, d], in their dtype."""
    squares: npt.NDArray[Any] = np.einsum("ij,ij->i", rows, rows)
    return squares
