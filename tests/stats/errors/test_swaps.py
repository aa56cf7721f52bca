import itertools
import os

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import Block, SamplingDesign, cluster_codes
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.distances.kernel import kernel_distance
from p2phd_eval.stats.errors.swaps import SwappedFid, swap_test

STATISTICS = ["FID", "KID"]


def triplets(n, d, shift=0.0, seed=0, n_real=None):
    """Real images, and two generated ones of each label map; exchangeable where the shift is 0."""
    rng = np.random.default_rng(seed)
    scene = rng.normal(size=(n, d)) + 3
    generated = [scene + 0.7 * np.abs(rng.normal(size=(n, d))) + step for step in (0.0, shift)]
    real = scene if n_real is None else rng.normal(size=(n_real, d)) + 3
    return real + 0.3 * rng.normal(size=real.shape), *generated


def two_blocks(n_real, n, clusters=None):
    """The real images on their own, the generated ones in pairs."""
    blocks = [Block(sets=(0,), cluster_of=np.arange(n_real))]
    return SamplingDesign([*blocks, Block(sets=(1, 2), cluster_of=cluster_codes(clusters, n))])


def exchanged(baseline, candidate, swapped):
    rows = np.asarray(swapped)[:, None]
    return np.where(rows, candidate, baseline), np.where(rows, baseline, candidate)


def difference(statistic, real, baseline, candidate, *, paired):
    if statistic == "FID":
        return frechet_distance(real, candidate).value - frechet_distance(real, baseline).value
    kids = [kernel_distance(real, fake, paired=paired).value for fake in (baseline, candidate)]
    return kids[1] - kids[0]


def share_of_extreme(statistic, real, baseline, candidate, swaps, *, paired):
    """The share of really swapped sets, these among them, that differ at least as much; ties are within 1e-9."""
    values = np.abs(
        [
            difference(statistic, real, *exchanged(baseline, candidate, swapped), paired=paired)
            for swapped in [np.zeros(len(baseline), dtype=bool), *swaps]
        ]
    )
    return np.mean(values >= values[0] - 1e-9 * values.max())


# (n_real, n, d): Gram of the generated images, or product of the columns; few and many real images; n above d.
@pytest.mark.parametrize(
    ("n_real", "n", "d"),
    [(15, 15, 30), (40, 15, 30), (15, 40, 30), (30, 30, 30), (31, 31, 30), (50, 20, 10), (20, 50, 10), (60, 70, 10)],
)
def test_differences_are_those_of_sets_whose_images_are_really_swapped(n_real, n, d):
    real, baseline, candidate = triplets(n, d, 0.2, n_real=n_real)
    fid = SwappedFid(real, baseline, candidate)
    for swapped in np.random.default_rng(1).integers(0, 2, size=(5, n), dtype=bool):
        pair = exchanged(baseline, candidate, swapped)
        expected = difference("FID", real, *pair, paired=False)
        assert fid.difference(swapped) == pytest.approx(expected, abs=1e-10 * fid.scale)
        assert fid.difference(~swapped) == -fid.difference(swapped)


@pytest.mark.parametrize("n", [8, 40])
def test_singular_covariances_lose_no_digits(n):
    # Columns and rows that repeat: eigenvalues of 0 that no count of images or features tells of.
    real, baseline, candidate = (np.tile(each, 2) for each in triplets(n, 12, 0.2))
    real[: n // 2] = real[n // 2 : 2 * (n // 2)]
    baseline[: n // 2], candidate[: n // 2] = baseline[0], baseline[0]
    fid = SwappedFid(real, baseline, candidate)
    for swapped in np.random.default_rng(2).integers(0, 2, size=(3, n), dtype=bool):
        expected = difference("FID", real, *exchanged(baseline, candidate, swapped), paired=True)
        assert fid.difference(swapped) == pytest.approx(expected, abs=1e-8 * fid.scale)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("n_real", [None, 11])
def test_all_swaps_of_few_images(statistic, n_real):
    real, baseline, candidate = triplets(7, 5, 0.3, n_real=n_real)
    design = SamplingDesign.paired(7, 3) if n_real is None else two_blocks(n_real, 7)
    result = swap_test(real, baseline, candidate, design, statistic=statistic, rng=np.random.default_rng(0))
    # All 128, each with its complement; the one without any swap is the observed one.
    every = [swapped for swapped in itertools.product([False, True], repeat=7) if any(swapped)]
    expected = share_of_extreme(statistic, real, baseline, candidate, every, paired=n_real is None)
    assert result.p_value == expected
    assert 1 / 64 <= result.p_value < 1
    assert (result.swaps, result.exhaustive, result.statistic) == (63, True, statistic)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_random_swaps_are_those_of_the_generator(statistic):
    sets = triplets(12, 5, 0.1)
    result = swap_test(
        *sets, SamplingDesign.paired(12, 3), statistic=statistic, swaps=100, rng=np.random.default_rng(3)
    )
    swaps = np.random.default_rng(3).integers(0, 2, size=(100, 12), dtype=bool)
    assert result.p_value == share_of_extreme(statistic, *sets, swaps, paired=True)
    assert (result.swaps, result.exhaustive) == (100, False)


def test_clusters_are_swapped_whole():
    real, baseline, candidate = triplets(15, 5, 0.3)
    clusters = np.arange(15) % 6
    result = swap_test(real, baseline, candidate, SamplingDesign.paired(15, 3, clusters), rng=np.random.default_rng(4))
    every = [np.array(swapped)[clusters] for swapped in itertools.product([False, True], repeat=6) if any(swapped)]
    assert result.p_value == share_of_extreme("FID", real, baseline, candidate, every, paired=True)
    assert (result.swaps, result.exhaustive, result.statistic) == (31, True, "FID")


@pytest.mark.parametrize("statistic", STATISTICS)
def test_invariances(statistic):
    real, baseline, candidate = triplets(14, 6, 0.02)
    design = SamplingDesign.paired(14, 3)

    def p_value(*sets, design=design, seed=5):
        return swap_test(*sets, design, statistic=statistic, swaps=99, rng=np.random.default_rng(seed)).p_value

    expected = p_value(real, baseline, candidate)
    assert 0.01 < expected < 1
    assert p_value(real, candidate, baseline) == expected
    assert p_value(real, baseline, candidate, design=SamplingDesign.paired(14, 3, np.arange(14))) == expected
    assert len({p_value(real, baseline, candidate, seed=seed) for seed in range(6)}) > 1


def test_p_values_of_exchangeable_images_are_uniform():
    """At the levels that 31 swaps allow, the share of p-values up to the level is the level."""
    repeats, p_values = 400, []
    rng = np.random.default_rng(6)
    for seed in range(repeats):
        sets = triplets(9, 3, seed=seed)
        p_values.append(swap_test(*sets, SamplingDesign.paired(9, 3), swaps=31, rng=rng).p_value)
    for level in (1 / 32, 2 / 32, 8 / 32, 16 / 32, 28 / 32):
        found = np.count_nonzero(np.array(p_values) <= level)
        # A level that is right fails this once in 10,000 seeds.
        assert stats.binomtest(found, repeats, level).pvalue > 1e-4


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_difference_is_detected(statistic):
    sets = triplets(40, 6, 0.5)
    result = swap_test(
        *sets, SamplingDesign.paired(40, 3), statistic=statistic, swaps=199, rng=np.random.default_rng(7)
    )
    assert result.p_value == 1 / 200


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize(("n", "d"), [(5, 40), (30, 40), (60, 10)])
def test_equal_sets_give_1(statistic, n, d):
    real, baseline, _ = triplets(n, d)
    result = swap_test(
        real,
        baseline,
        baseline,
        SamplingDesign.paired(n, 3),
        statistic=statistic,
        swaps=50,
        rng=np.random.default_rng(8),
    )
    assert result.p_value == 1


@pytest.mark.parametrize("statistic", STATISTICS)
def test_swaps_of_equal_images_are_ties(statistic):
    # Only the first of 20 pairs differs: whatever is swapped, the difference is the observed one or its negative.
    real, baseline, candidate = triplets(20, 30, 1.0)
    candidate[1:] = baseline[1:]
    result = swap_test(
        real,
        baseline,
        candidate,
        SamplingDesign.paired(20, 3),
        statistic=statistic,
        swaps=40,
        rng=np.random.default_rng(9),
    )
    assert result.p_value == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not pin processes to cores")
@pytest.mark.parametrize(("n", "d"), [(260, 300), (120, 60)])
def test_the_number_of_cores_does_not_matter(n, d):
    fid = SwappedFid(*triplets(n, d, 0.01))
    swapped = np.random.default_rng(10).integers(0, 2, size=n, dtype=bool)

    def run():
        result = swap_test(*triplets(n, d, 0.01), SamplingDesign.paired(n, 3), swaps=30, rng=np.random.default_rng(11))
        return result, fid.difference(swapped)

    on_all, cores = run(), os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert run() == on_all
    finally:
        os.sched_setaffinity(0, cores)


def test_the_kernel_distance_is_used_where_1000_fids_would_take_long():
    few, many = triplets(20, 700), triplets(1000, 1000)
    design = SamplingDesign.paired(1000, 3)
    assert swap_test(*few, SamplingDesign.paired(20, 3), swaps=5, rng=np.random.default_rng(0)).statistic == "FID"
    result = swap_test(*many, design, rng=np.random.default_rng(0))
    assert (result.statistic, result.swaps, result.exhaustive) == ("KID", 9999, False)
    # Fewer swaps, asked for or because there are no more, are affordable.
    assert swap_test(*many, design, swaps=3, rng=np.random.default_rng(0)).statistic == "FID"
    clusters = SamplingDesign.paired(1000, 3, np.arange(1000) % 3)
    result = swap_test(*many, clusters, rng=np.random.default_rng(0))
    assert (result.statistic, result.swaps, result.exhaustive) == ("FID", 3, True)


def test_progress_counts_to_the_end():
    seen = []
    swap_test(
        *triplets(9, 4),
        SamplingDesign.paired(9, 3),
        swaps=3,
        rng=np.random.default_rng(12),
        on_progress=lambda *step: seen.append(step),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_what_cannot_be_tested_is_refused():
    sets, rng = triplets(6, 4), np.random.default_rng(13)
    with pytest.raises(InputError, match="from the same label maps, found sets that were drawn independently"):
        swap_test(*sets, SamplingDesign.independent([6, 6, 6]), rng=rng)
    with pytest.raises(InputError, match=r"found \(6, 6, 5\)"):
        swap_test(*sets[:2], sets[2][:5], SamplingDesign.paired(6, 3), rng=rng)
    with pytest.raises(InputError, match=r"sets of \(6, 6\) images"):
        swap_test(*sets, SamplingDesign.paired(6, 2), rng=rng)
    with pytest.raises(InputError, match="found 4 and 3"):
        swap_test(*sets[:2], sets[2][:, :3], SamplingDesign.paired(6, 3), rng=rng)
    with pytest.raises(InputError, match="swaps: expected at least 1, found 0"):
        swap_test(*sets, SamplingDesign.paired(6, 3), swaps=0, rng=rng)
