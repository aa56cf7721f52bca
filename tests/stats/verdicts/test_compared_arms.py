import dataclasses

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.distances.kernel import kernel_distance
from p2phd_eval.stats.errors.seeds import recipe_error
from p2phd_eval.stats.verdicts.compared_arms import compare_fid
from p2phd_eval.stats.verdicts.equivalence import Verdict


def arrays(n=200, d=6, shifts=(0.0, 0.3, 0.3), seed=0):
    rng = np.random.default_rng(seed)
    scene = rng.normal(size=(n, d))
    return tuple(scene + shift + 0.5 * rng.normal(size=(n, d)) for shift in shifts)


def test_the_difference_is_extrapolated_from_that_at_n():
    real, baseline, candidate = arrays(shifts=(0, 0.3, 1))
    result = compare_fid(real, baseline, candidate, margin=0.5)
    decision = result.decision
    fids = [frechet_distance(real, each).value for each in (baseline, candidate)]
    assert (*decision.baseline_fids, *decision.fids) == pytest.approx(fids)
    assert decision.dfid == pytest.approx(fids[1] - fids[0])
    assert result.estimate == decision.population.value == pytest.approx(decision.dfid, rel=0.05)
    assert (result.verdict, result.test.material, decision.why_kid) == (Verdict.WORSE, True, "")
    assert result.needs is None


def test_far_too_few_images_leave_the_verdict_to_kid():
    real, baseline, candidate = arrays(n=40, d=300, shifts=(0, 0.1, 0.5))
    result = compare_fid(real, baseline, candidate, margin="10%")
    decision = result.decision
    assert (decision.statistic, result.verdict) == ("KID", Verdict.WORSE)
    assert "falls too slowly with n" in decision.why_kid
    kids = [kernel_distance(real, each, paired=True).value for each in (baseline, candidate)]
    assert result.estimate == pytest.approx(kids[1] - kids[0])
    assert decision.margin.value == pytest.approx(0.1 * kids[0])
    absolute = compare_fid(real, baseline, candidate, margin=1.0)
    assert absolute.test.margin is None
    assert "in units of FID" in absolute.decision.margin.text


def test_an_inconclusive_result_says_what_would_decide_it():
    real, baseline, candidate = arrays(n=60, shifts=(0, 0.3, 0.3), seed=4)
    result = compare_fid(real, baseline, candidate, margin=0.2)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.needs.images > 60


def test_seeds_add_their_variance():
    real, *_ = arrays()
    rng = np.random.default_rng(1)
    arms = [np.stack([real + rng.normal(size=real.shape) + rng.normal(size=6) / 3 for _ in range(3)]) for _ in range(2)]
    result = compare_fid(real, *arms)
    population = result.decision.population
    means = result.decision.baseline_fids, result.decision.fids
    assert result.decision.dfid == pytest.approx(np.mean(means[1]) - np.mean(means[0]))
    # The seeds' extrapolated FIDs differ from those at n by nearly the same bias.
    assert result.test.standard_error == pytest.approx(
        recipe_error(*means, population.error, noise=(None, None)).value, rel=0.1
    )
    assert result.test.standard_error > 1.5 * population.error.value


def test_clusters_of_one_change_nothing():
    real, baseline, candidate = arrays()
    plain = compare_fid(real, baseline, candidate, margin=1)
    single = compare_fid(real, baseline, candidate, margin=1, clusters=[f"c{k:03}" for k in range(200)])
    assert dataclasses.asdict(single.test) == dataclasses.asdict(plain.test)


def test_clusters_that_cannot_be_quartered_leave_the_verdict_to_kid():
    labels = np.r_[np.zeros(160), 1 + np.arange(40) // 2]
    result = compare_fid(*arrays(), clusters=labels)
    assert (result.decision.population, result.decision.statistic) == (None, "KID")
    assert "too few, or too unequal" in result.decision.why_kid


def test_images_that_are_all_the_same_have_no_spread():
    real, baseline, _ = arrays()
    same = np.tile(baseline[:1], (200, 1))
    result = compare_fid(real, baseline, same, margin=1)
    assert result.verdict is Verdict.WORSE
    still = compare_fid(np.tile(real[:1], (200, 1)), same, same + 1, margin=1)
    assert (still.decision.dfid_error.value, still.verdict) == (0, Verdict.WORSE)


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_label_maps(n):
    real, baseline, candidate = arrays(n)
    with pytest.raises(InputError, match=f"expected at least .* found {n}"):
        compare_fid(real, baseline, candidate)


def test_three_label_maps_are_judged_by_kid():
    assert compare_fid(*arrays(3)).decision.statistic == "KID"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence": 1.0}, "--confidence"),
        ({"rng": -1}, "rng: expected at least 0"),
        ({"margin": "wide"}, "--margin"),
        ({"margin": "seeds"}, "--margin seeds: expected two or more training seeds"),
        ({"clusters": np.zeros(200)}, "at least 2 clusters"),
        ({"clusters": np.zeros(3)}, "one label for each of 200 images"),
        ({"candidate": np.zeros((199, 6))}, "the same number of images"),
        ({"candidate": np.zeros((200, 5))}, "the same number of features"),
        ({"candidate": np.zeros((0, 200, 6))}, "at least one run"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    options = dict(zip(("real", "baseline", "candidate"), arrays(), strict=True)) | change
    with pytest.raises(InputError, match=message):
        compare_fid(**options)


def test_the_seed_alone_decides():
    sets = arrays(60)
    first, again, other = (compare_fid(*sets, margin=1, replicates=10, rng=seed) for seed in (1, 1, 2))
    assert (first.test, first.swap, first.dfid_se_bootstrap) == (again.test, again.swap, again.dfid_se_bootstrap)
    assert first.estimate != other.estimate
