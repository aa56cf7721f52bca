from __future__ import annotations

import random

import pytest
import torch

from p2phd_eval.generators.training.image_pool import ImagePool


def samples(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def test_while_it_fills_samples_pass_through() -> None:
    pool = ImagePool(3, seed=0)
    assert pool.query(samples(1, 2)).flatten().tolist() == [1, 2]
    assert pool.query(samples(3)).flatten().tolist() == [3]


def test_a_full_pool_swaps_as_the_original_draws() -> None:
    """For each sample: one uniform draw, above 0.5 a place of the pool; what stood there is returned."""
    pool, rng = ImagePool(2, seed=7), random.Random(7)
    pool.query(samples(0, 1))
    kept = [0.0, 1.0]
    for value in map(float, range(2, 40)):
        expected = value
        if rng.uniform(0, 1) > 0.5:
            place = rng.randint(0, 1)
            expected, kept[place] = kept[place], value
        assert pool.query(samples(value)).item() == expected


def test_half_of_the_samples_are_swapped_and_none_is_lost() -> None:
    pool = ImagePool(5, seed=1)
    given = [float(i) for i in range(2000)]
    returned = [pool.query(samples(value)).item() for value in given]
    swapped = sum(a != b for a, b in zip(given, returned, strict=True))
    # Binomial(1995, 1/2): five standard deviations are 112.
    assert swapped == pytest.approx(1995 / 2, abs=112)
    left = [sample.item() for sample in pool.state_dict()["samples"]]
    # While it filled, what was returned stayed in the pool too.
    assert sorted(set(returned + left)) == given


def test_a_restored_pool_goes_on_the_same() -> None:
    pool = ImagePool(2, seed=0)
    pool.query(samples(0.0, 1.0, 2.0, 3.0))
    other = ImagePool(2, seed=5)
    other.load_state_dict(pool.state_dict(), torch.device("cpu"), "run.pt")
    later = samples(*map(float, range(4, 30)))
    assert torch.equal(pool.query(later), other.query(later))


def test_no_gradient_flows_through() -> None:
    assert not ImagePool(1, seed=0).query(samples(1.0).requires_grad_()).requires_grad
