"""The error of a mean over a table with random rows and columns: theory, simulation, invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.errors.crossed import crossed_error, incomplete_crossed_error


def test_rows_alone_are_the_t_test_over_rows_but_for_a_degree_of_freedom() -> None:
    rows = np.random.default_rng(0).normal(size=9)
    error = crossed_error(np.repeat(rows[:, np.newaxis], 12, axis=1))
    assert error.value == pytest.approx(stats.sem(rows))
    assert error.df == pytest.approx(9 - 2)


def test_additive_rows_and_columns_add_their_variances() -> None:
    rng = np.random.default_rng(1)
    rows, columns = rng.normal(size=8), 2 * rng.normal(size=15)
    error = crossed_error(rows[:, np.newaxis] + columns)
    people, images = rows.var(ddof=1) / 8, columns.var(ddof=1) / 15
    assert error.value == pytest.approx(math.sqrt(people + images))
    # Welch and Satterthwaite, from the variances of the means.
    assert error.df == pytest.approx((people + images) ** 2 / (people**2 / 6 + images**2 / 13))


@pytest.mark.parametrize("sds", [(1.0, 1.0, 1.0), (2.0, 0.5, 1.0), (0.3, 0.3, 1.0)])
def test_the_variance_is_that_of_the_mean(sds: tuple[float, float, float]) -> None:
    p, i, repeats = 6, 10, 4000
    rng = np.random.default_rng(2)
    of_rows, of_columns, of_cells = sds
    means, variances, covered = [], [], []
    for _ in range(repeats):
        table = of_rows * rng.normal(size=(p, 1)) + of_columns * rng.normal(size=i) + of_cells * rng.normal(size=(p, i))
        error = crossed_error(table)
        means.append(table.mean())
        variances.append(error.value**2)
        covered.append(abs(means[-1]) <= stats.t.ppf(0.975, error.df) * error.value)
    truth = of_rows**2 / p + of_columns**2 / i + of_cells**2 / (p * i)
    assert np.var(means) == pytest.approx(truth, rel=0.1)
    # Never below the error over rows alone and over columns alone, so a little above where both are small.
    assert 0.95 < np.mean(variances) / truth < 1.15
    assert 0.95 - 4 * math.sqrt(0.0475 / repeats) <= np.mean(covered) < 0.985


def test_neither_order_nor_place_nor_side_matters() -> None:
    rng = np.random.default_rng(3)
    table = rng.normal(size=(7, 11)) + rng.normal(size=11)
    plain = crossed_error(table)
    for other in (table.T, table[::-1, rng.permutation(11)], 5 - table):
        assert (crossed_error(other).value, crossed_error(other).df) == pytest.approx((plain.value, plain.df))
    scaled = crossed_error(3 * table)
    assert (scaled.value, scaled.df) == pytest.approx((3 * plain.value, plain.df))


def test_equal_values_have_no_error() -> None:
    error = crossed_error(np.full((4, 6), 0.7))
    assert (error.value, error.df) == (pytest.approx(0, abs=1e-15), pytest.approx(2, abs=20))


def test_a_table_of_two_rows_is_refused() -> None:
    with pytest.raises(InputError, match="3 rows and 3 columns or more, found 2 x 9"):
        crossed_error(np.zeros((2, 9)))


def test_of_a_whole_table_clusters_give_the_mean_squares_of_rows_and_columns() -> None:
    """With rows that differ much, what is taken off does not matter: both errors are that over rows."""
    rng = np.random.default_rng(4)
    table = 5 * rng.normal(size=(8, 1)) + 0.01 * rng.normal(size=(8, 12))
    rows, columns = np.indices(table.shape).reshape(2, -1)
    found = incomplete_crossed_error((table - table.mean()).ravel() / table.size, rows, columns)
    assert found.value == pytest.approx(crossed_error(table).value, rel=0.01)
    assert found.value == pytest.approx(stats.sem(table.mean(axis=1)), rel=0.01)


def test_with_holes_the_variance_is_that_of_the_mean() -> None:
    """A quarter of the cells, as many of each row, of a table with random rows and columns."""
    rng, p, i, repeats = np.random.default_rng(5), 10, 40, 1500
    means, variances, covered = [], [], []
    for _ in range(repeats):
        table = rng.normal(size=(p, 1)) + rng.normal(size=i) + rng.normal(size=(p, i))
        columns = np.concatenate([rng.permutation(i)[: i // 4] for _ in range(p)])
        rows = np.repeat(np.arange(p), i // 4)
        values = table[rows, columns]
        error = incomplete_crossed_error((values - values.mean()) / len(values), rows, columns)
        means.append(values.mean())
        variances.append(error.value**2)
        covered.append(abs(means[-1]) <= stats.t.ppf(0.975, error.df) * error.value)
    assert 0.9 < np.mean(variances) / np.var(means) < 1.15
    assert 0.94 < np.mean(covered) < 0.985
    with pytest.raises(InputError, match="3 rows and 3 columns"):
        incomplete_crossed_error(np.ones(4), np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]))
