import numpy as np
import pytest

from p2phd_eval.stats.distances.products import WideRows, centred_together, multiply_on_cpu, tile_slices

D = 300


def features(n, seed, offset=3.0):
    return (offset + np.random.default_rng(seed).normal(size=(n, D))).astype(np.float32)


@pytest.fixture
def tiny_tiles(monkeypatch):
    monkeypatch.setattr("p2phd_eval.stats.distances.products.TILE_ROWS", 16)


@pytest.mark.parametrize("offset", [0, 3, 1000])
@pytest.mark.usefixtures("tiny_tiles")
def test_products_and_squares_are_those_of_float64_within_the_bound(offset):
    first, second = features(40, 0, offset), features(30, 1, offset)
    wide = first.astype(np.float64), second.astype(np.float64)
    rows = centred_together(first, second, multiply_on_cpu)
    lengths = [np.linalg.norm(each - wide[0].mean(axis=0), axis=1) for each in wide]
    bound = (D + 2) * 2.0**-24 * np.outer(*lengths)
    for block in tile_slices(40):
        for columns in tile_slices(30):
            error = np.abs(rows[0].products(block, rows[1], columns) - wide[0][block] @ wide[1][columns].T)
            assert (error <= bound[block, columns] + 1e-13 * D * offset**2).all()
            # What is seen is as much smaller as the signs of roundings make it.
            assert error.max() < 0.1 * bound.max() + 1e-13 * D * offset**2
        np.testing.assert_allclose(rows[0].squares(block), np.square(wide[0][block]).sum(axis=1), rtol=1e-6)


@pytest.mark.usefixtures("tiny_tiles")
def test_wide_rows_are_multiplied_in_float64():
    first, second = features(40, 0), features(30, 1)
    wide = first.astype(np.float64), second.astype(np.float64)
    rows = WideRows(first), WideRows(second)
    assert [len(each) for each in rows] == [40, 30]
    block, columns = slice(16, 32), slice(16, 30)
    np.testing.assert_allclose(
        rows[0].products(block, rows[1], columns), wide[0][block] @ wide[1][columns].T, rtol=1e-13
    )
    np.testing.assert_allclose(rows[0].products(block, rows[0], block), wide[0][block] @ wide[0][block].T, rtol=1e-13)
    np.testing.assert_allclose(rows[0].squares(block), np.square(wide[0][block]).sum(axis=1), rtol=1e-13)


@pytest.mark.parametrize("scale", [1e-35, 1e-10, 1e12])
def test_the_unit_keeps_products_within_the_range_of_float32(scale):
    first = scale * np.random.default_rng(0).uniform(-1, 1, size=(5, D))
    rows = centred_together(first, first[:3], multiply_on_cpu)
    products = rows[0].products(slice(0, 5), rows[1], slice(0, 3))
    np.testing.assert_allclose(products / scale / scale, (first / scale) @ (first[:3] / scale).T, rtol=0, atol=1e-4)


def test_equal_rows_have_no_unit():
    rows = centred_together(np.full((4, D), 0.1), np.full((3, D), 0.1), multiply_on_cpu)
    np.testing.assert_allclose(rows[0].products(slice(0, 4), rows[1], slice(0, 3)), D * 0.01, rtol=1e-12)
