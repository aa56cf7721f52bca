"""The error of a mean over a table whose rows and columns are both drawn at random, such as people and images."""

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
