import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stats.bootstrap import bootstrap_dfid_se
from p2phd_eval.stats.comparison import compare_fid
from p2phd_eval.stats.equivalence import Verdict
from p2phd_eval.stats.frechet import frechet_distance
from p2phd_eval.stats.influence import mean_standard_error, paired_differences
from tests.stats.feature_sets import feature_set, reordered, triplets


def numbers(candidate):
    return (candidate.fid, candidate.dfid, candidate.dfid_se, candidate.dfid_se_bootstrap, *candidate.ci95)


def test_a_comparison_holds_the_paired_difference_and_both_errors():
    real, baseline, candidate = triplets()
    result = compare_fid(real, baseline, [("amp", candidate)], "fp32", margin=0.5, replicates=20, seed=2)
    (amp,) = result.candidates
    pair = paired_differences(real.values, baseline.values, [candidate.values])[0]
    assert amp.dfid == pytest.approx(pair.dfid)
    assert amp.dfid_se == pytest.approx(mean_standard_error(pair.delta))
    (bootstrap,) = bootstrap_dfid_se(
        real.values, baseline.values, [candidate.values], replicates=20, rng=np.random.default_rng(2)
    )
    assert amp.dfid_se_bootstrap == pytest.approx(bootstrap.se)
    assert amp.fid == pytest.approx(frechet_distance(real.values, candidate.values).value)
    assert result.baseline_fid == pytest.approx(frechet_distance(real.values, baseline.values).value)
    assert amp.dfid == amp.fid - result.baseline_fid
    assert amp.ci95 == pytest.approx((amp.dfid - 1.96 * amp.dfid_se, amp.dfid + 1.96 * amp.dfid_se), abs=1e-4)
    assert amp.verdict is Verdict.WORSE
    assert result.scope.startswith("A: these checkpoints")
    assert (result.n_pairs, result.baseline_name, result.warnings) == (80, "fp32", ())
    assert (result.margin, amp.equivalence.margin) == (0.5, 0.5)


def test_the_better_of_two_is_better_as_a_candidate():
    real, good, bad = triplets()
    result = compare_fid(real, bad, [("good", good)], "bad", margin=None, replicates=0)
    assert result.candidates[0].verdict is Verdict.BETTER
    assert result.candidates[0].dfid_se_bootstrap is None


def test_the_baseline_again_is_within_any_margin():
    real, baseline, _ = triplets()
    again = reordered(baseline, np.arange(80)[::-1])
    result = compare_fid(real, baseline, [("again", again)], "fp32", margin=1e-9, replicates=0)
    (same,) = result.candidates
    assert (same.dfid, same.dfid_se, same.verdict) == (0, 0, Verdict.WITHIN)


def test_the_order_of_the_images_does_not_matter():
    sets = triplets()
    rng = np.random.default_rng(1)
    shuffled = [reordered(features, rng.permutation(80)) for features in sets]
    results = [
        compare_fid(real, baseline, [("amp", candidate)], "fp32", margin=0.5, replicates=5)
        for real, baseline, candidate in (sets, shuffled)
    ]
    plain, shuffled = (result.candidates[0] for result in results)
    assert numbers(shuffled) == pytest.approx(numbers(plain), rel=1e-9)
    assert results[0].warnings == results[1].warnings


def test_candidates_do_not_influence_each_other():
    real, baseline, candidate = triplets()
    third = feature_set(candidate.values + 0.5)
    both = compare_fid(real, baseline, [("amp", candidate), ("third", third)], "fp32", margin=1, replicates=5)
    for position, (name, features) in enumerate([("amp", candidate), ("third", third)]):
        alone = compare_fid(real, baseline, [(name, features)], "fp32", margin=1, replicates=5)
        assert both.candidates[position].name == name
        assert numbers(both.candidates[position]) == pytest.approx(numbers(alone.candidates[0]), rel=1e-9)


def test_images_that_a_set_lacks_are_left_out_of_all():
    real, baseline, candidate = triplets()
    kept = np.arange(4, 80)
    partial = reordered(candidate, kept)
    result = compare_fid(real, baseline, [("amp", partial)], "fp32", margin=1, replicates=3)
    expected = compare_fid(
        reordered(real, kept), reordered(baseline, kept), [("amp", partial)], "fp32", margin=1, replicates=3
    )
    assert numbers(result.candidates[0]) == pytest.approx(numbers(expected.candidates[0]), rel=1e-9)
    assert result.baseline_fid == pytest.approx(expected.baseline_fid, rel=1e-9)
    assert result.n_pairs == 76
    assert result.warnings == tuple(
        f"4 of the images of {name} are left out, because another set lacks them: "
        "'scene_000', 'scene_001', 'scene_002', ..."
        for name in ("the real images", "fp32")
    )


def test_fewer_than_two_pairs_are_refused_with_examples():
    real, baseline, candidate = triplets(10)
    other = feature_set(candidate.values, ids=[f"frame{k}" for k in range(10)])
    with pytest.raises(InputError, match=r"fp32 has 'scene_000'.*amp has 'frame0', 'frame1', 'frame2', \.\.\."):
        compare_fid(real, baseline, [("amp", other)], "fp32", margin=1)


def test_an_id_that_repeats_is_refused():
    real, baseline, candidate = triplets(10)
    twice = feature_set(candidate.values, ids=[*candidate.ids[:-1], "scene_003"])
    with pytest.raises(InputError, match=r"images of amp: .* found 2 images with the id 'scene_003'"):
        compare_fid(real, baseline, [("amp", twice)], "fp32", margin=1)


def test_few_images_are_pointed_out():
    real, baseline, candidate = triplets(n=5, d=6)
    result = compare_fid(real, baseline, [("amp", candidate)], "fp32", margin=1, replicates=0)
    bias, difference, pairs = result.warnings
    assert bias.startswith("FID@5 is at n = 5 images")
    assert "share the bias only as far as their images are equally diverse" in difference
    assert pairs.startswith("only 5 pairs")


def test_features_made_differently_are_refused():
    real, baseline, candidate = triplets(10)
    other = feature_set(candidate.values, resize="clean")
    with pytest.raises(InputError, match="features of amp: expected the resize mode"):
        compare_fid(real, baseline, [("amp", other)], "fp32", margin=1)


def test_swapped_width_and_height_are_refused_for_the_candidate():
    real, baseline, candidate = triplets(10)
    with pytest.raises(InputError, match=r"images of amp: .*swapped"):
        compare_fid(real, baseline, [("amp", feature_set(candidate.values, size=(32, 64)))], "fp32", margin=1)


@pytest.mark.parametrize("margin", [0, -1, float("nan")])
def test_margins_that_are_none_are_refused(margin):
    real, baseline, candidate = triplets(10)
    with pytest.raises(InputError, match="--margin"):
        compare_fid(real, baseline, [("amp", candidate)], "fp32", margin=margin)


def test_names_must_differ_and_there_must_be_a_candidate():
    real, baseline, candidate = triplets(10)
    with pytest.raises(InputError, match="2 x 'fp32'"):
        compare_fid(real, baseline, [("fp32", candidate)], "fp32", margin=1)
    with pytest.raises(InputError, match="expected at least one, found none"):
        compare_fid(real, baseline, [], "fp32", margin=1)
