import dataclasses

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.cluster_rules import parse_rule
from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets, explain, explained_ids
from p2phd_eval.images.condition_ids import SampleCounts
from p2phd_eval.report.tables.comparison_tables import comparison_table
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.cmmd import cmmd
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.compared_arms import compare_fid
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.margins import absolute_margin, parse_margin
from p2phd_eval.stats.verdicts.scope import Scope
from tests.features.feature_sets import feature_set, renamed, reordered, samples_of_conditions, triplets


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


def test_the_runs_of_the_baseline_again_leave_no_rounding():
    """Weights of a third: what both arms have in common cancels out to the bit, whatever the order of the runs."""
    real, first, second = triplets()
    runs = (first, second, dataclasses.replace(first, values=first.values + second.values / 3))
    arms = [FeatureArm(name="fp32", runs=runs), FeatureArm(name="again", runs=runs[::-1])]
    (same,) = compare_feature_sets(
        real, arms, margin=absolute_margin(1.0), scope=Scope.CHECKPOINTS, replicates=3
    ).candidates
    assert numbers(same) == (0, 0, 0, 0, 0, 0)
    assert {each.estimand for each in same.measured} == {Estimand.FID_AT_N, Estimand.FID, Estimand.KID, Estimand.KID_RQ}
    assert all((each.estimate, each.error.value) == (0, 0) for each in same.measured)
    assert same.dfid_se_bootstrap == 0


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


# --- Conditions and seeds


def every_number(result):
    (candidate,) = result.candidates
    measured = [(each.estimate, each.images.value, each.images.df) for each in candidate.measured]
    return [*numbers(candidate), *(number for each in measured for number in each)]


def test_one_sample_of_each_condition_is_what_there_is_without_seeds():
    """To rounding, extrapolation, KID, swap test and bootstrap among it."""
    real, baseline, candidate = triplets()
    plain = compare(real, baseline, [("amp", candidate)], replicates=10)
    arms = [renamed(each, lambda image: f"{image}@7") for each in (baseline, candidate)]
    for photos in (real, renamed(real, lambda image: f"{image}@7"), renamed(real, lambda image: f"{image}@0")):
        seeded = compare(photos, arms[0], [("amp", arms[1])], replicates=10)
        assert every_number(seeded) == pytest.approx(every_number(plain), rel=1e-12)
        assert seeded.candidates[0].swap == plain.candidates[0].swap
        assert seeded.candidates[0].dfid_se_bootstrap == plain.candidates[0].dfid_se_bootstrap
        assert (seeded.pairing, seeded.warnings, seeded.clusters) == ("triplets", (), None)
        assert seeded.samples == SampleCounts(conditions=80, fewest=1, most=1)
    assert plain.samples is None


def test_the_samples_of_a_condition_and_its_photo_are_drawn_together():
    real, baseline, candidate = samples_of_conditions()
    result = compare(real, baseline, [("amp", candidate)], replicates=20)
    assert (result.pairing, result.n, result.design.sizes, result.clusters) == ("conditions", 40, (40, 120, 120), 40)
    first, second = (fid_influence(real.values, each.values) for each in (baseline, candidate))
    design = SamplingDesign.by_condition(np.arange(40), np.repeat(np.arange(40), 3), 3)
    error = design.standard_error([second.real - first.real, -first.fake, second.fake])
    found = result.candidates[0].at_n
    assert found.estimate == pytest.approx(second.distance.value - first.distance.value, rel=1e-9)
    assert (found.images.value, found.images.df) == pytest.approx((error.value, error.df), rel=1e-9)
    assert result.candidates[0].dfid_se_bootstrap == pytest.approx(error.value, rel=0.5)
    assert result.candidates[0].swap.p_value < 0.05
    title = comparison_table(result, "photos").title
    assert title.endswith(
        ": 120 generated images paired by condition and seed, 40 real ones of the same conditions: 40 conditions x 3 "
        "seeds, conditions are clusters"
    )


def test_names_of_seeds_and_the_order_of_images_do_not_matter():
    sets = samples_of_conditions()
    plain = compare(sets[0], sets[1], [("amp", sets[2])])
    rng = np.random.default_rng(1)
    moved = [reordered(each, rng.permutation(len(each))) for each in sets]
    other = {"0": "12", "1": "2", "2": "1000"}
    moved[1:] = [
        renamed(each, lambda image: image.partition("@")[0] + f"@{other[image.partition('@')[2]]}")
        for each in moved[1:]
    ]
    again = compare(moved[0], moved[1], [("amp", moved[2])])
    assert every_number(again) == pytest.approx(every_number(plain), rel=1e-9)


def test_samples_that_an_arm_lacks_are_left_out_of_all_and_photos_of_no_condition():
    real, baseline, candidate = samples_of_conditions()
    kept = [k for k, image in enumerate(candidate.ids) if not image.startswith("scene_000") and image != "scene_001@2"]
    result = compare(real, baseline, [("amp", reordered(candidate, kept))])
    assert (result.design.sizes, result.samples) == ((39, 116, 116), SampleCounts(conditions=39, fewest=2, most=3))
    left_out = [
        ("the real images", "1", "'scene_000'"),
        ("fp32", "4", "'scene_000@0', 'scene_000@1', 'scene_000@2', ..."),
    ]
    for name, count, examples in left_out:
        assert (
            f"{count} of the images of {name} are left out, because another set lacks them: {examples}"
            in result.warnings
        )
    assert "39 conditions x 2 to 3 seeds" in comparison_table(result, "photos").title


def test_photos_of_other_names_are_apart_from_samples_whose_conditions_are_clusters():
    real, baseline, candidate = samples_of_conditions()
    photos = renamed(real, lambda image: f"photo_{image}")
    result = compare(photos, baseline, [("amp", candidate)])
    assert (result.pairing, result.clusters, result.labels[:4]) == (
        "generated",
        40,
        ("scene_000",) * 3 + ("scene_001",),
    )
    assert result.samples == SampleCounts(conditions=40, fewest=3, most=3)


def test_a_rule_is_one_of_the_conditions():
    real, baseline, candidate = samples_of_conditions()
    rule = parse_rule("_([0-9]{2})")  # ten scenes a cluster: scene_000 to scene_009
    result = compare(real, baseline, [("amp", candidate)], cluster_by=rule)
    assert (result.clusters, result.labels[:4]) == (4, ("00",) * 4)
    assert result.design.block_of(0).clusters == 4
    assert "seeds, in 4 clusters" in comparison_table(result, "photos").title


def test_several_photos_of_a_condition_all_count():
    _, baseline, candidate = samples_of_conditions()
    _, more, _ = samples_of_conditions(seeds=2, seed=5)
    result = compare(more, baseline, [("amp", candidate)])
    assert (result.pairing, result.design.sizes) == ("conditions", (80, 120, 120))
    # As many photos as samples, under the same ids, are pairs of a condition all the same.
    _, photos, _ = samples_of_conditions(seed=5)
    result = compare(photos, baseline, [("amp", candidate)])
    assert (result.pairing, result.clusters) == ("triplets", 40)


def test_one_condition_is_a_statement_about_it_alone():
    _, photos, baseline = samples_of_conditions(conditions=1, seeds=60)
    candidate = feature_set(baseline.values + 0.2, baseline.ids)
    photos = renamed(photos, lambda image: f"photo{image}")
    result = compare(photos, baseline, [("amp", candidate)])
    assert (result.pairing, result.clusters) == ("generated", None)
    said = "1 condition x 60 seeds: the samples are taken as independent, so that errors and verdicts are about this"
    assert any(said in warning for warning in result.warnings)


def test_a_difference_is_divided_among_conditions():
    real, baseline, candidate = samples_of_conditions()
    result = compare(real, baseline, [("amp", candidate)])
    found = explain(result, 0)
    assert explained_ids(result) == real.ids
    parts = {each.id: each for each in (*found.upward, *found.downward)}
    assert set(parts) <= set(real.ids)
    assert found.clusters == ()
    rule = parse_rule("_([0-9]{2})")
    clustered = explain(compare(real, baseline, [("amp", candidate)], cluster_by=rule), 0)
    assert [each.images for each in clustered.clusters] == [10] * 4
    assert sum(each.contribution for each in clustered.clusters) == pytest.approx(found.dfid, rel=1e-9)
    # One sample a condition, or the same three times, is the explanation of pairs.
    once, thrice = (
        [
            reordered(each, [k for k, image in enumerate(each.ids) if image.endswith("@0")])
            for each in (baseline, candidate)
        ],
        [feature_set(np.repeat(each.values[::3], 3, axis=0), each.ids) for each in (baseline, candidate)],
    )
    pairs, copies = (explain(compare(real, arms[0], [("amp", arms[1])]), 0) for arms in (once, thrice))
    assert [each.id.partition("@")[0] for each in pairs.upward] == [each.id for each in copies.upward]
    assert [each.influence for each in copies.upward] == pytest.approx(
        [each.influence for each in pairs.upward], rel=0.05
    )
