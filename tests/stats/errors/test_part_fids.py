"""FIDs of parts against those of the parts' own features."""

import numpy as np
import pytest

from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.errors.part_fids import PartFids


def sets(*sizes, d, seed=0):
    rng = np.random.default_rng(seed)
    # Means far from 0, which parts must not lose digits to, and images that differ in their spread.
    return [50 + 0.3 * k + rng.lognormal(size=(n, 1)) * rng.normal(size=(n, d)) for k, n in enumerate(sizes)]


@pytest.mark.parametrize("d", [40, 300])
def test_values_and_influences_are_those_of_the_parts_features(d):
    real, *fakes = sets(40, 31, 22, d=d)
    found, rng = PartFids(real, fakes), np.random.default_rng(1)
    for k, fake in enumerate(fakes):
        for share in (4, 2, 1):
            rows = [rng.permutation(len(each))[: len(each) // share] for each in (real, fake)]
            part, expected = found.influence(k, *rows), fid_influence(real[rows[0]], fake[rows[1]])
            assert part.distance.value == pytest.approx(expected.distance.value, rel=1e-11)
            for name in ("mean_term", "trace_real", "trace_fake", "trace_sqrt"):
                assert getattr(part.distance, name) == pytest.approx(getattr(expected.distance, name), rel=1e-10)
            for name in ("real", "fake", "real_terms", "fake_terms"):
                np.testing.assert_allclose(
                    getattr(part, name), getattr(expected, name), rtol=1e-9, atol=1e-10 * expected.distance.trace_real
                )
            value = frechet_distance(real[rows[0]], fake[rows[1]]).value
            assert found.value(k, *rows) == pytest.approx(value, rel=1e-11)


def test_a_set_is_at_distance_0_from_itself_and_pulls_nowhere():
    (real,) = sets(20, d=30)
    found, rows = PartFids(real, [real.copy()]), np.arange(20)[::2]
    part = found.influence(0, rows, rows)
    assert part.distance.value == found.value(0, rows, rows) == 0
    assert not part.real.any()
    assert not part.fake.any()
    assert found.value(0, rows, rows + 1) > 0


def test_equal_sets_have_equal_fids_to_the_bit():
    real, fake = sets(20, 20, d=30)
    found, rows = PartFids(real, [fake, fake.copy()]), np.random.default_rng(0).permutation(20)[:9]
    first, second = (found.influence(k, rows, rows) for k in (0, 1))
    assert first.distance == second.distance
    np.testing.assert_array_equal(first.real, second.real)
    assert found.value(0, rows, rows) == found.value(1, rows, rows)
