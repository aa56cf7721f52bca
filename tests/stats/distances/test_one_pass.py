import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stats.distances.kernel import kernel_distance
from p2phd_eval.stats.distances.neighbours import neighbour_metrics
from p2phd_eval.stats.distances.one_pass import kernel_distance_and_neighbours


def two_sets(n_real, n_fake, dtype):
    rng = np.random.default_rng(3)
    return (rng.normal(size=(n, 40)).astype(dtype) + 2 for n in (n_real, n_fake))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_fake", "paired"), [(250, True), (250, False), (130, False)])
def test_both_are_what_they_are_by_themselves(dtype, n_fake, paired, monkeypatch):
    monkeypatch.setattr("p2phd_eval.stats.distances.products.TILE_ROWS", 60)
    real, fake = two_sets(250, n_fake, dtype)
    seen = []
    kid, neighbours = kernel_distance_and_neighbours(
        real, fake, paired=paired, on_progress=lambda *step: seen.append(step)
    )
    assert kid == kernel_distance(real, fake, paired=paired)
    assert neighbours == neighbour_metrics(real, fake)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


def test_every_product_is_asked_for_once(monkeypatch):
    monkeypatch.setattr("p2phd_eval.stats.distances.products.TILE_ROWS", 60)
    real, fake = two_sets(250, 130, np.float32)
    tiles = []

    def multiply(left, right):
        tiles.append((len(left), len(right)))
        return left @ right.T

    kernel_distance_and_neighbours(real, fake, paired=False, multiply=multiply)
    assert len(tiles) == 15 + 6 + 5 * 3


@pytest.mark.parametrize(("n", "what"), [(2, "jackknife"), (5, "neighbours")])
def test_too_few_images(n, what):
    real, fake = two_sets(60, n, np.float32)
    with pytest.raises(InputError, match=what):
        kernel_distance_and_neighbours(real, fake, paired=False)
