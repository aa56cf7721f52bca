import numpy as np
import pytest
from scipy.spatial.distance import cdist

from p2phd_eval.stats.distances.nearest import NearestOthers, squared_distances
from p2phd_eval.stats.distances.products import centred_together, multiply_on_cpu, tile_pairs


@pytest.mark.parametrize("d", [1, 7, 500])
def test_bounds_hold_and_are_narrow(d):
    rng = np.random.default_rng(0)
    first, second = 5 + rng.normal(size=(60, d)), 5 + rng.normal(size=(50, d)) * np.repeat([1e-6, 1], 25)[:, None]
    rows = centred_together(first, second, multiply_on_cpu)
    tile = rows[0], slice(0, 60), rows[1], slice(0, 50)
    least, (of_rows, of_columns) = squared_distances(rows[0].narrow_products(*tile[1:]), *tile)
    error = of_rows[:, None] + of_columns
    squares = cdist(rows[0].wide(slice(0, 60)), rows[1].wide(slice(0, 50)), "sqeuclidean")
    assert (least <= squares).all()
    assert (squares <= least + 2 * error).all()
    assert (error <= 1e-7 * (d + 33) * (squares.max() + 1)).all()


@pytest.mark.parametrize("rows_of_a_tile", [7, 1024])
@pytest.mark.parametrize("copies", [1, 4, 20])
def test_radii_are_those_of_all_distances_sorted(rows_of_a_tile, copies, monkeypatch):
    monkeypatch.setattr("p2phd_eval.stats.distances.products.TILE_ROWS", rows_of_a_tile)
    values = np.repeat(np.random.default_rng(1).normal(size=(100 // copies, 9)), copies, axis=0)
    rows, _ = centred_together(values, values, multiply_on_cpu)
    squares = np.sort(cdist(rows.wide(slice(0, 100)), rows.wide(slice(0, 100)), "sqeuclidean"), axis=1)
    nearest = NearestOthers(rows, 5)
    for tile in reversed(list(tile_pairs(100, 100, within=True))):  # in any order
        nearest.add(rows.narrow_products(tile[0], rows, tile[1]), *tile)
    radii = nearest.squared_radii((1, 3, 5))
    np.testing.assert_allclose(radii, squares[:, [1, 3, 5]].T, rtol=1e-12, atol=1e-14)
