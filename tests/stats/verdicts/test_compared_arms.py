import dataclasses

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.distances.kernel import kernel_distance
from p2phd_eval.stats.errors.intervals import fid_interval
from p2phd_eval.stats.errors.seeds import recipe_error
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.compared_arms import Arm, compare_arms, compare_fid
from p2phd_eval.stats.verdicts.equivalence import Difference, Verdict, equivalence_test
from p2phd_eval.stats.verdicts.margins import absolute_margin


def arrays(n=200, d=6, shifts=(0.0, 0.3, 0.3), seed=0):
    rng = np.random.default_rng(seed)
    scene = rng.normal(size=(n, d))
    return tuple(scene + shift + 0.5 * rng.normal(size=(n, d)) for shift in shifts)


def test_the_difference_at_n_is_judged():
    real, baseline, candidate = arrays(shifts=(0, 0.3, 1))
    result = compare_fid(real, baseline, candidate, margin=0.5)
    fids = [frechet_distance(real, each).value for each in (baseline, candidate)]
    assert (*result.at_n.baseline_runs, *result.at_n.runs) == pytest.approx(fids)
    assert result.judged is Estimand.FID_AT_N
    assert result.estimate == result.at_n.estimate == pytest.approx(fids[1] - fids[0])
    assert (result.verdict, result.test.material, result.refusal) == (Verdict.WORSE, True, "")
    assert result.needs is None


def test_every_estimand_is_measured_and_can_be_judged():
    real, baseline, candidate = arrays(shifts=(0, 0.3, 1), d=40)
    reference = np.random.default_rng(9).normal(size=(300, 40))
    by_default = compare_fid(real, baseline, candidate, margin="5%", reference=reference)
    every = [each for each in Estimand if each is not Estimand.CMMD]  # which is of CLIP's embeddings alone
    assert {each.estimand for each in by_default.measured} == set(every)
    assert by_default.not_measured == {}
    for estimand in every:
        result = compare_fid(real, baseline, candidate, margin="5%", judge=estimand.value, reference=reference)
        measured = by_default.difference(estimand)
        assert (result.judged, result.refusal) == (estimand, "")
        assert (result.estimate, result.test.standard_error) == (measured.estimate, measured.error.value)
        assert result.margin.value == pytest.approx(0.05 * measured.baseline)
        assert result.verdict is Verdict.WORSE
    extrapolated = by_default.difference(Estimand.FID)
    assert extrapolated.estimate == extrapolated.population.value
    assert extrapolated.baseline == pytest.approx(fid_interval(real, baseline, paired=True).population.value, rel=0.05)
    kids = [kernel_distance(real, each, paired=True).value for each in (baseline, candidate)]
    assert by_default.difference(Estimand.KID).estimate == pytest.approx(kids[1] - kids[0])


def test_the_fid_of_the_distributions_is_refused_with_the_reason():
    real, baseline, candidate = arrays(n=40, d=300, shifts=(0, 0.1, 0.5))
    result = compare_fid(real, baseline, candidate, margin="10%", judge="fid")
    assert (result.verdict, result.test, result.estimate, result.interval) == (Verdict.NOT_JUDGED, None, None, None)
    assert result.refusal.startswith("40 images are too few to extrapolate it")
    assert compare_fid(real, baseline, candidate, margin="10%").verdict is Verdict.WORSE


def test_a_share_of_a_value_that_cannot_be_had_is_no_margin():
    """Where two arms are nearly alike the bias cancels in their difference, but not in what `2%` is a share of."""
    rng = np.random.default_rng(3)
    real, baseline = rng.normal(size=(2, 300, 100))
    candidate = baseline + 0.005 + 0.01 * rng.normal(size=baseline.shape)
    result = compare_fid(real, baseline, candidate, margin="100%", judge="fid")
    assert result.refusal == ""
    assert fid_interval(real, baseline, paired=True).population.refusal
    assert result.margin.value is None
    assert result.margin.text.startswith("100 % of the baseline's FID of the distributions, which by itself cannot be")
    assert result.verdict is not Verdict.WITHIN
    assert compare_fid(real, baseline, candidate, margin=0.7, judge="fid").verdict in (
        Verdict.WITHIN,
        Verdict.NEGLIGIBLE,
    )
    assert compare_fid(real, baseline, candidate, margin="100%").margin.value > 0


def test_what_is_judged_fits_its_margin_and_its_reference():
    sets = arrays()
    with pytest.raises(InputError, match="--judge block-fid: expected --reference"):
        compare_fid(*sets, judge="block-fid")
    with pytest.raises(InputError, match="--margin"):
        compare_fid(*sets, judge="kid", margin=2.0)
    with pytest.raises(InputError, match="--judge: expected"):
        compare_fid(*sets, judge="is")
    with pytest.raises(InputError, match="reference"):
        compare_fid(*arrays(d=40), reference=np.zeros((10, 40)))


def test_an_inconclusive_result_says_what_would_decide_it():
    real, baseline, candidate = arrays(n=60, shifts=(0, 0.3, 0.3), seed=4)
    result = compare_fid(real, baseline, candidate, margin=0.2)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.needs.images > 60


def test_what_would_decide_it_is_enough_for_candidates_that_are_judged_together():
    """Alone the candidate is within; beside five others that nobody can tell from the baseline it is not."""
    real, baseline, *_ = arrays(n=150, seed=6)
    candidates = [baseline + 0.1 * np.random.default_rng([8, k]).normal(size=baseline.shape) for k in range(6)]
    alone = compare_fid(real, baseline, candidates[0])
    margin = absolute_margin(abs(alone.estimate) + 1.9 * alone.test.standard_error)
    arms = [Arm(name=str(k), runs=(values,)) for k, values in enumerate([baseline, *candidates])]

    def first(count):
        design = SamplingDesign.paired(150, 2 + count)
        rng = np.random.default_rng(0)
        return compare_arms(real, arms[: 1 + count], design, margin=margin, replicates=0, rng=rng)[0]

    assert first(1).verdict is Verdict.WITHIN
    together = first(6)
    assert together.verdict is Verdict.INCONCLUSIVE
    components = together.at_n.components

    def within(images, level):
        (value, df), *_ = components.variances(images, None)
        error = StandardError(value=value**0.5, df=df)
        difference = Difference(estimate=together.estimate, error=error, margin=margin.amount)
        return equivalence_test(difference, confidence=1 - level).verdict is Verdict.WITHIN

    assert within(together.needs.images, 0.05 / 6)
    assert not within(together.needs.images - 1, 0.05 / 6)


def test_seeds_add_their_variance():
    real, *_ = arrays()
    rng = np.random.default_rng(1)
    arms = [np.stack([real + rng.normal(size=real.shape) + rng.normal(size=6) / 3 for _ in range(3)]) for _ in range(2)]
    result = compare_fid(real, *arms)
    found = result.at_n
    assert found.estimate == pytest.approx(np.mean(found.runs) - np.mean(found.baseline_runs))
    expected = recipe_error(found.baseline_runs, found.runs, found.images, noise=found.noise)
    assert result.test.standard_error == expected.value > found.images.value
    assert all(noise > 0 for noise in found.noise)
    # By hand: the spread of each arm's three runs holds what their own images add, so that it is taken off once.
    seeds = sum(np.var(runs, ddof=1) / 3 for runs in (found.baseline_runs, found.runs))
    assert expected.value**2 == pytest.approx(seeds + max(0, found.images.value**2 - sum(found.noise) / 3))


def test_clusters_of_one_change_nothing():
    real, baseline, candidate = arrays()
    plain = compare_fid(real, baseline, candidate, margin=1)
    single = compare_fid(real, baseline, candidate, margin=1, clusters=[f"c{k:03}" for k in range(200)])
    assert dataclasses.asdict(single.test) == dataclasses.asdict(plain.test)


def test_clusters_that_cannot_be_quartered_do_without_extrapolation():
    labels = np.r_[np.zeros(160), 1 + np.arange(40) // 2]
    result = compare_fid(*arrays(), clusters=labels)
    assert "too few, or too unequal" in result.not_measured[Estimand.FID]
    assert result.companion.estimand is Estimand.KID_RQ
    refused = compare_fid(*arrays(), clusters=labels, judge="fid")
    assert (refused.verdict, refused.refusal) == (Verdict.NOT_JUDGED, result.not_measured[Estimand.FID])


def test_images_that_are_all_the_same_have_no_spread():
    real, baseline, _ = arrays()
    same = np.tile(baseline[:1], (200, 1))
    result = compare_fid(real, baseline, same, margin=1)
    assert result.verdict is Verdict.WORSE
    still = compare_fid(np.tile(real[:1], (200, 1)), same, same + 1, margin=1)
    assert (still.at_n.error.value, still.verdict) == (0, Verdict.WORSE)


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_label_maps(n):
    real, baseline, candidate = arrays(n)
    with pytest.raises(InputError, match=f"expected at least .* found {n}"):
        compare_fid(real, baseline, candidate)


def test_three_label_maps_are_judged():
    result = compare_fid(*arrays(3))
    assert {each.estimand for each in result.measured} == {Estimand.FID_AT_N, Estimand.KID, Estimand.KID_RQ}
    assert result.test is not None


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
    assert first.estimate == other.estimate
    assert first.difference(Estimand.FID).estimate != other.difference(Estimand.FID).estimate
