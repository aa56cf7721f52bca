import dataclasses

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets, explain
from p2phd_eval.stats.distances.cmmd import cmmd
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.compared_arms import compare_fid
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.margins import absolute_margin, parse_margin
from p2phd_eval.stats.verdicts.scope import Scope
from tests.features.feature_sets import feature_set, reordered, triplets


def compare(real, baseline, candidates, margin=1.0, replicates=0, **options):
    arms = [FeatureArm(name="fp32", runs=(baseline,))]
    arms += [FeatureArm(name=name, runs=(features,)) for name, features in candidates]
    rule = None if margin is None else absolute_margin(margin)
    return compare_feature_sets(real, arms, margin=rule, replicates=replicates, **options)


def numbers(candidate):
    found, test = candidate.at_n, candidate.test
    return (found.estimate, found.images.value, test.estimate, test.standard_error, *test.interval)


def test_feature_sets_are_compared_as_their_arrays():
    real, baseline, candidate = triplets()
    result = compare(real, baseline, [("amp", candidate)], margin=0.5, replicates=20, seed=2)
    (amp,) = result.candidates
    expected = compare_fid(real.values, baseline.values, candidate.values, margin=0.5, replicates=20, rng=2)
    assert numbers(amp) == pytest.approx(numbers(expected))
    assert amp.dfid_se_bootstrap == pytest.approx(expected.dfid_se_bootstrap)
    assert amp.swap == expected.swap
    assert amp.verdict is Verdict.WORSE
    assert (result.scope, result.pairing, result.n, result.baseline_name) == (Scope.CHECKPOINTS, "triplets", 80, "fp32")
    assert (result.warnings, result.clusters) == ((), None)


def test_the_better_of_two_is_better_as_a_candidate():
    real, good, bad = triplets()
    (result,) = compare(real, bad, [("good", good)], margin=None).candidates
    assert result.verdict is Verdict.BETTER
    assert (result.dfid_se_bootstrap, result.swap) == (None, None)


def test_the_baseline_again_is_within_any_margin():
    real, baseline, _ = triplets()
    again = reordered(baseline, np.arange(80)[::-1])
    (same,) = compare(real, baseline, [("again", again)], margin=1e-9, replicates=5).candidates
    assert numbers(same) == (0, 0, 0, 0, 0, 0)
    assert (same.verdict, same.dfid_se_bootstrap, same.swap.p_value) == (Verdict.WITHIN, 0, 1)


def test_the_order_of_the_images_does_not_matter():
    sets = triplets()
    rng = np.random.default_rng(1)
    shuffled = [reordered(features, rng.permutation(80)) for features in sets]
    results = [compare(real, baseline, [("amp", candidate)]) for real, baseline, candidate in (sets, shuffled)]
    plain, shuffled = (result.candidates[0] for result in results)
    assert numbers(shuffled) == pytest.approx(numbers(plain), rel=1e-9)
    assert results[0].warnings == results[1].warnings


def test_candidates_change_each_other_by_holm_alone():
    real, baseline, candidate = triplets()
    third = feature_set(candidate.values + 0.5)
    both = compare(real, baseline, [("amp", candidate), ("third", third)])
    for position, (name, features) in enumerate([("amp", candidate), ("third", third)]):
        alone = compare(real, baseline, [(name, features)])
        assert both.candidates[position].name == name
        assert numbers(both.candidates[position]) == pytest.approx(numbers(alone.candidates[0]), rel=1e-9)
    p_values = [each.test.p_difference for each in both.candidates]
    assert min(each.test.p_difference_holm for each in both.candidates) == 2 * min(p_values)


def test_images_that_a_set_lacks_are_left_out_of_all():
    real, baseline, candidate = triplets()
    kept = np.arange(4, 80)
    partial = reordered(candidate, kept)
    result = compare(real, baseline, [("amp", partial)])
    expected = compare(reordered(real, kept), reordered(baseline, kept), [("amp", partial)])
    assert numbers(result.candidates[0]) == pytest.approx(numbers(expected.candidates[0]), rel=1e-9)
    assert result.n == 76
    assert result.warnings == tuple(
        f"4 of the images of {name} are left out, because another set lacks them: "
        "'scene_000', 'scene_001', 'scene_002', ..."
        for name in ("the real images", "fp32")
    )
    with pytest.raises(InputError, match="--strict: expected the same image names"):
        compare(real, baseline, [("amp", partial)], strict=True)


def test_sets_without_common_names_are_independent():
    real, baseline, candidate = triplets(60)
    other = feature_set(candidate.values, ids=[f"frame{k:02d}" for k in range(60)])
    paired, unpaired = (compare(real, baseline, [("amp", each)]) for each in (candidate, other))
    assert (unpaired.pairing, unpaired.ids) == ("independent", ())
    (warning,) = unpaired.warnings
    assert "fp32: 'scene_000', 'scene_001', 'scene_002', ...; amp: 'frame00'" in warning
    ratio = unpaired.candidates[0].at_n.error.value / paired.candidates[0].at_n.error.value
    assert ratio > 1.2
    with pytest.raises(InputError, match="--strict"):
        compare(real, baseline, [("amp", other)], strict=True)


def test_independent_sets_of_unequal_size_are_compared_at_one_n():
    real, baseline, candidate = triplets(60)
    fewer = feature_set(candidate.values[:40], ids=[f"frame{k:02d}" for k in range(40)])
    result = compare(real, baseline, [("amp", fewer)])
    assert result.design.sizes == (60, 40, 40)
    said = "compared at 40 images, drawn at random where there are more (fp32 has 60)"
    assert any(said in warning for warning in result.warnings)


def test_seeds_of_an_arm_are_scope_b():
    real, *_ = triplets()
    rng = np.random.default_rng(3)
    arms = [
        FeatureArm(
            name=name,
            runs=tuple(feature_set(real.values + rng.normal(size=(80, 6)) + rng.normal(size=6) / 4) for _ in range(3)),
        )
        for name in ("fp32", "amp")
    ]
    result = compare_feature_sets(real, arms, margin=parse_margin("seeds"), replicates=0)
    arrays = [np.stack([run.values for run in arm.runs]) for arm in arms]
    expected = compare_fid(real.values, *arrays, rng=0)
    assert result.scope is Scope.RECIPES
    assert numbers(result.candidates[0]) == pytest.approx(numbers(expected))
    assert result.candidates[0].margin.value == pytest.approx(expected.margin.value)
    fixed = compare_feature_sets(real, arms, margin=None, scope=Scope.CHECKPOINTS, replicates=0)
    assert fixed.candidates[0].at_n.estimate == expected.at_n.estimate
    widths = [high - low for low, high in (each.interval for each in (fixed.candidates[0], expected))]
    assert widths[0] < widths[1]
    assert explain(result, 0).dfid == pytest.approx(expected.at_n.estimate)


def test_each_candidate_is_explained_by_its_own_runs():
    real, baseline, candidate = triplets()
    result = compare(real, baseline, [("again", baseline), ("amp", candidate)])
    assert explain(result, 0).dfid == 0
    assert explain(result, 1).dfid == pytest.approx(result.candidates[1].at_n.estimate)
    assert explain(result, 1).upward[0].id in result.ids


def test_an_id_that_repeats_is_refused():
    real, baseline, candidate = triplets(10)
    twice = feature_set(candidate.values, ids=[*candidate.ids[:-1], "scene_003"])
    with pytest.raises(InputError, match=r"images of amp: .* found 2 images with the id 'scene_003'"):
        compare(real, baseline, [("amp", twice)])


def test_few_images_are_pointed_out():
    real, baseline, candidate = triplets(n=5, d=6)
    result = compare(real, baseline, [("amp", candidate)])
    bias, few = result.warnings
    assert bias.startswith("FID@5 is at n = 5 images")
    assert few.startswith("only 5 images")
    assert result.candidates[0].companion.estimand is Estimand.KID_RQ


def test_features_made_differently_are_refused():
    real, baseline, candidate = triplets(10)
    other = feature_set(candidate.values, resize="clean")
    with pytest.raises(InputError, match="features of amp: expected the resize mode"):
        compare(real, baseline, [("amp", other)])


def test_swapped_width_and_height_are_refused_for_the_candidate():
    real, baseline, candidate = triplets(10)
    with pytest.raises(InputError, match=r"images of amp: .*swapped"):
        compare(real, baseline, [("amp", feature_set(candidate.values, size=(32, 64)))])


def test_names_must_differ_and_there_must_be_a_candidate():
    real, baseline, candidate = triplets(10)
    with pytest.raises(InputError, match="2 x 'fp32'"):
        compare(real, baseline, [("fp32", candidate)])
    with pytest.raises(InputError, match="candidates: expected at least one"):
        compare(real, baseline, [])


def test_cmmd_is_judged_in_clips_features_alone():
    real, baseline, candidate = (dataclasses.replace(each, stamp=clip_stamp(each)) for each in triplets())
    (result,) = compare(real, baseline, [("amp", candidate)], margin=0.5, judge=Estimand.CMMD).candidates
    found = result.difference(Estimand.CMMD)
    assert result.test.estimate == found.estimate
    assert found.baseline == pytest.approx(cmmd(real.values, baseline.values, paired=True).value)
    assert found.candidate == pytest.approx(cmmd(real.values, candidate.values, paired=True).value)
    assert (result.verdict, result.companion) == (Verdict.WORSE, None)
    assert "dCMMD" in found.estimand.difference_at(result.n)
    arrays = compare_fid(real.values, baseline.values, candidate.values, margin=0.5, judge="cmmd")
    assert arrays.test.estimate == pytest.approx(found.estimate)
    with pytest.raises(
        InputError, match=r"(?s)--judge cmmd: expected features of CLIP.*found features of another network"
    ):
        compare(*triplets()[:2], [("amp", triplets()[2])], judge=Estimand.CMMD)


def clip_stamp(features):
    return dataclasses.replace(features.stamp, weights="CLIP ViT-L/14@336px")
