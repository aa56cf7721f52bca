"""The error of a mean over a table whose rows and columns are both drawn at random, such as people and images.

Of a whole table by the analysis of variance; of one with holes, and of other sums over its cells, by clusters in both
directions.
"""

import math

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import StandardError


def crossed_error(values: npt.NDArray[np.float64]) -> StandardError:
    """Standard error of the mean of a table (P, I) with crossed random effects of its rows and of its columns.

    From the mean squares of rows, columns and residuals of the two-way analysis of variance,

        Var = max(MS_rows + MS_columns - MS_residual, MS_rows, MS_columns) / (P I),

    which estimates var_rows / P + var_columns / I + var_residual / (P I). Where neither rows nor columns differ, a sum
    of mean squares less another may come out near 0; the error over the rows alone, and over the columns alone, is the
    least that it can be.

    Degrees of freedom are Satterthwaite's, with P - 2 and I - 2 for the mean squares of rows and columns, one fewer
    than the textbook's: the means of the rows of a table of answers are no normal variables, and where they lie near 0
    and 1, a test of five of them with 4 degrees of freedom rejects in 7 % of cases instead of 5.

    `values`: ndarray of float64, shape (P, I), at least 3 of either; one value a cell. Raises `InputError` for fewer.

    References
    ----------
    Searle, Casella and McCulloch (1992), "Variance Components", section 4.3; Satterthwaite (1946); Owen (2007), "The
    pigeonhole bootstrap", for the variance of a mean of such tables without a model.
    """
    rows, columns = values.shape
    if min(rows, columns) < 3:
        raise InputError("values", expected="a table of 3 rows and 3 columns or more", found=f"{rows} x {columns}")
    centred = values - values.mean()
    of_rows = columns * float(centred.mean(axis=1) @ centred.mean(axis=1)) / (rows - 1)
    of_columns = rows * float(centred.mean(axis=0) @ centred.mean(axis=0)) / (columns - 1)
    residuals = centred - centred.mean(axis=1, keepdims=True) - centred.mean(axis=0)
    df = (rows - 1) * (columns - 1)
    residual = float(np.square(residuals).sum()) / df
    largest = max(of_rows + of_columns - residual, of_rows, of_columns)
    parts = of_rows**2 / (rows - 2) + of_columns**2 / (columns - 2) + residual**2 / df
    fewest = min(rows, columns) - 2.0
    return StandardError(
        value=math.sqrt(largest / values.size), df=max(fewest, largest**2 / parts) if parts > 0 else fewest
    )


def incomplete_crossed_error(
    scores: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> StandardError:
    """Standard error of a sum over cells of a table, where rows and columns are drawn at random and cells are missing.

    The variance over clusters in two directions,

        Var = max(V_rows + V_columns - V_cells, V_rows, V_columns),

    each the sum of squares of the totals of its clusters times G / (G - 1). A cell's own part is in all three, so that
    it counts once. The least and the degrees of freedom are as for `crossed_error`; of a whole table the mean squares
    of rows and of columns are the same, and only what is taken off differs.

    `scores`: ndarray of float64, shape (N,): what each answer adds to the estimate less what is expected of it; for a
    mean (y - mean) / N. `rows`, `columns`: ndarrays of int64, shape (N,): whose it is, 0 to G - 1. Raises `InputError`
    for fewer than 3 rows or columns.

    References
    ----------
    Cameron, Gelbach and Miller (2011), "Robust inference with multiway clustering"; Owen (2007), whose naive bootstrap
    has about the variance V_rows + V_columns.
    """
    by_row, by_column = (_totals(scores, clusters) for clusters in (rows, columns))
    if min(len(by_row), len(by_column)) < 3:
        found = f"{len(by_row)} x {len(by_column)}"
        raise InputError("values", expected="a table of 3 rows and 3 columns or more", found=found)
    of_rows, of_columns, of_cells = (_variance_of_sum(each) for each in (by_row, by_column, scores))
    largest = max(of_rows + of_columns - of_cells, of_rows, of_columns)
    dfs = (len(by_row) - 2, len(by_column) - 2, max(1, len(scores) - len(by_row) - len(by_column) + 1))
    parts = sum(part**2 / df for part, df in zip((of_rows, of_columns, of_cells), dfs, strict=True))
    fewest = float(min(dfs[:2]))
    return StandardError(value=math.sqrt(largest), df=max(fewest, largest**2 / parts) if parts > 0 else fewest)


def _totals(scores: npt.NDArray[np.float64], clusters: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The sums of the clusters that have any cell."""
    totals: npt.NDArray[np.float64] = np.bincount(clusters, weights=scores).astype(np.float64)
    return totals[np.bincount(clusters) > 0]


def _variance_of_sum(totals: npt.NDArray[np.float64]) -> float:
    return float(totals @ totals) * len(totals) / (len(totals) - 1)
