import os

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import Block, SamplingDesign, cluster_codes
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.errors.bootstrap import bootstrap_contrasts, usual_replicates
from p2phd_eval.stats.errors.influence import fid_influence

# (n, d) on each side of the switch from the cross-Gram to covariances, which is at n = 1.75 d.
PAIRED = [(20, 40), (40, 40), (70, 40), (71, 40)]
DIFFERENCE = [[-1.0, 1.0]]


def triplets(n, d, seed=0):
    rng = np.random.default_rng(seed)
    scene = rng.normal(size=(n, d))
    # A mean far from 0, as Inception features have: the replicates must not lose digits to it.
    return [5 + shift + scene + 0.7 * rng.normal(size=(n, d)) for shift in (0.0, 0.1, 0.2)]


def separate_blocks(n_real, sizes, cluster_of):
    """The real images, each generated set, the last of them with clusters: all independent."""
    blocks = [Block(sets=(0,), cluster_of=np.arange(n_real))]
    blocks += [Block(sets=(k,), cluster_of=np.arange(n)) for k, n in enumerate(sizes[:-1], start=1)]
    return SamplingDesign([*blocks, Block(sets=(len(sizes),), cluster_of=cluster_of)])


def brute_force(sets, design, rng, replicates):
    """FIDs [replicates, K] of features that are really repeated."""
    rows = []
    for generator in rng.spawn(replicates):
        drawn = [np.repeat(each, counts, axis=0) for each, counts in zip(sets, design.draw(generator), strict=True)]
        rows.append([frechet_distance(drawn[0], fake).value for fake in drawn[1:]])
    return np.array(rows)


def assert_replicates(sets, design, contrasts, replicates):
    results = bootstrap_contrasts(sets, contrasts, design, replicates=replicates, rng=np.random.default_rng(1))
    fids = brute_force(sets, design, np.random.default_rng(1), replicates)
    assert len(results) == len(contrasts)
    for result, contrast in zip(results, contrasts, strict=True):
        expected = fids @ contrast
        # A resample often has rank below d; its covariance in the brute-force way then has rounded eigenvalues.
        np.testing.assert_allclose(result.replicates, expected, atol=1e-6 * fids.mean())
        assert result.se == pytest.approx(result.replicates.std(ddof=1), rel=1e-12)
        assert result.mean == pytest.approx(expected.mean(), abs=1e-6 * fids.mean())


@pytest.mark.parametrize(("n", "d"), PAIRED)
def test_replicates_are_fids_of_resampled_features(n, d):
    contrasts = [(1.0, 0.0), (-1.0, 1.0), (0.5, 0.5)]
    assert_replicates(triplets(n, d), SamplingDesign.paired(n, 3), contrasts, 4)


@pytest.mark.parametrize("n", [24, 96])
def test_whole_clusters_are_drawn(n):
    cluster_of = np.arange(n) % 7
    assert_replicates(triplets(n, 40), SamplingDesign.paired(n, 3, cluster_of), DIFFERENCE, 4)


# All cross-Grams; both kinds at once; all covariances.
@pytest.mark.parametrize(("n_real", "sizes", "d"), [(20, (33, 15), 40), (60, (15, 60), 10), (90, (60, 70), 20)])
def test_independent_sets_are_drawn_on_their_own(n_real, sizes, d):
    sets = [triplets(n_real, d)[0], *(triplets(n, d, seed=k)[k] for k, n in enumerate(sizes, start=1))]
    design = separate_blocks(n_real, sizes, cluster_codes(np.arange(sizes[-1]) // 2, sizes[-1]))
    assert_replicates(sets, design, [(-1.0, 1.0), (0.0, 1.0)], 4)


@pytest.mark.parametrize(("n", "d"), PAIRED)
def test_equal_sets_drawn_together_differ_by_exactly_0(n, d):
    real, fake, _ = triplets(n, d)
    sets = [real, fake, fake.copy()]
    (result,) = bootstrap_contrasts(
        sets, DIFFERENCE, SamplingDesign.paired(n, 3), replicates=4, rng=np.random.default_rng(3)
    )
    assert not result.replicates.any()
    assert result.se == 0


def test_draws_depend_on_the_seed_alone():
    sets, design = triplets(15, 20), SamplingDesign.paired(15, 3)
    first, again, other = (
        bootstrap_contrasts(sets, [[0, 1]], design, replicates=6, rng=np.random.default_rng(seed))[0].replicates
        for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).any()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not pin processes to cores")
@pytest.mark.parametrize(("n", "d"), [(300, 300), (90, 40)])
def test_the_number_of_cores_does_not_matter(n, d):
    sets, design = triplets(n, d), SamplingDesign.paired(n, 3)

    def run():
        (result,) = bootstrap_contrasts(sets, DIFFERENCE, design, replicates=12, rng=np.random.default_rng(6))
        return result.replicates

    on_all, cores = run(), os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        np.testing.assert_array_equal(run(), on_all)
    finally:
        os.sched_setaffinity(0, cores)


def test_a_resample_of_a_single_image_is_no_error():
    # Of 2 images every second resample holds one image only: both covariances are 0, the distance is |x - y|^2.
    sets = [np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 2.0], [1.0, 2.0]])]
    (result,) = bootstrap_contrasts(
        sets, [[1]], SamplingDesign.paired(2, 2), replicates=20, rng=np.random.default_rng(6)
    )
    np.testing.assert_allclose(result.replicates, 4, rtol=1e-12)


@pytest.mark.parametrize("paired", [True, False])
def test_bootstrap_and_influence_give_the_same_standard_errors(paired):
    """Both estimate one number; n is large against d, so that terms of order 1/n do not matter.

    The bootstrap's own error with 400 replicates is 1/sqrt(2 * 399) = 3.5 %; four of those, and 6 % for 1/n.
    """
    sets = triplets(400, 4)
    design = SamplingDesign.paired(400, 3) if paired else SamplingDesign.independent([400] * 3)
    results = bootstrap_contrasts(sets, [(1, 0), (-1, 1)], design, replicates=400, rng=np.random.default_rng(7))
    baseline, candidate = (fid_influence(sets[0], fake) for fake in sets[1:])
    influences = [
        [baseline.real, baseline.fake, np.zeros(400)],
        [candidate.real - baseline.real, -baseline.fake, candidate.fake],
    ]
    for result, influence in zip(results, influences, strict=True):
        expected = design.standard_error(influence).value
        assert result.se == pytest.approx(expected, rel=4 / np.sqrt(2 * 399) + 0.06)


def test_replicates_of_one_fid_are_biased_upward():
    # The reason why no percentile interval is offered: all replicates lie above the estimate itself.
    sets = triplets(40, 60)[:2]
    (result,) = bootstrap_contrasts(
        sets, [[1]], SamplingDesign.paired(40, 2), replicates=50, rng=np.random.default_rng(8)
    )
    assert result.replicates.min() > frechet_distance(*sets).value


def test_progress_counts_to_the_end():
    seen = []
    bootstrap_contrasts(
        triplets(6, 5),
        DIFFERENCE,
        SamplingDesign.paired(6, 3),
        replicates=3,
        rng=np.random.default_rng(9),
        on_progress=lambda *step: seen.append(step),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


class CountedDraws(SamplingDesign):
    drawn = 0

    def draw(self, rng):
        self.drawn += 1
        return super().draw(rng)


def test_an_interrupt_leaves_the_rest_undone():
    design = CountedDraws(SamplingDesign.paired(60, 3).blocks)

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bootstrap_contrasts(
            triplets(60, 60), DIFFERENCE, design, replicates=5000, rng=np.random.default_rng(10), on_progress=interrupt
        )
    assert design.drawn < 5000


def test_usual_replicates_follow_the_cost():
    # The case that matters most here: some hundred images, Inception's 2048 features, a baseline and a candidate.
    assert usual_replicates(500, 2048, 2, 1000) == 1000
    assert usual_replicates(10, 5, 1, 200) == 200
    for sizes in ((1000, 2000, 3000, 3584), (3585, 20_000, 100_000)):
        numbers = [usual_replicates(n, 2048, 2, 1000) for n in sizes]
        assert numbers == sorted(numbers, reverse=True)
        assert min(numbers) >= 20
    assert usual_replicates(2000, 2048, 4, 1000) < usual_replicates(2000, 2048, 2, 1000) < 1000
    # However costly, 20 are taken, but never more than are wanted.
    assert usual_replicates(10**7, 2048, 10, 1000) == 20
    assert usual_replicates(10**7, 2048, 10, 5) == 5


def test_what_does_not_fit_is_refused():
    sets, design = triplets(6, 5), SamplingDesign.paired(6, 3)

    def run(sets=sets, contrasts=((-1, 1),), design=design, replicates=2):
        bootstrap_contrasts(sets, contrasts, design, replicates=replicates, rng=np.random.default_rng(11))

    with pytest.raises(InputError, match=r"sets of \(6, 6, 6\) images, as the design says, found \(6, 6, 5\)"):
        run(sets=[*sets[:2], sets[2][:5]])
    with pytest.raises(InputError, match=r"found \(6, 6\)"):
        run(sets=sets[:2], contrasts=[[1]])
    with pytest.raises(InputError, match="found 5 and 3"):
        run(sets=[*sets[:2], sets[2][:, :3]])
    with pytest.raises(InputError, match=r"rows of 2 finite weights, .* found shape \(1, 3\)"):
        run(contrasts=[[1, 1, 1]])
    with pytest.raises(InputError, match=r"found shape \(2,\)"):
        run(contrasts=[-1, 1])
    with pytest.raises(InputError, match="found NaN or infinity"):
        run(contrasts=[[-1, np.nan]])
    with pytest.raises(InputError, match="at least 2 bootstrap replicates"):
        run(replicates=1)
