from contextlib import contextmanager

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.cluster_rules import parse_rule
from p2phd_eval.evaluation.fid_of_sets import evaluate_fid
from p2phd_eval.images.condition_ids import SampleCounts
from p2phd_eval.report.tables.metric_tables import fid_table
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.block_frechet import block_frechet_distance, reference_axes
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.errors.bootstrap import bootstrap_contrasts
from p2phd_eval.stats.errors.extrapolation import half_samples
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.errors.intervals import fid_interval, population_estimate
from tests.features.feature_sets import feature_set, renamed, reordered, samples_of_conditions, triplets
from tests.stats.plain_errors import independent_standard_error, paired_standard_error


def numbers(result):
    return (result.fid, result.fid_se, result.fid_se_bootstrap)


def test_equal_ids_are_evaluated_as_pairs():
    real, fake, _ = triplets()
    result = evaluate_fid(real, fake, replicates=20, seed=3)
    assert result.pairing == "paired"
    assert result.fid == pytest.approx(frechet_distance(real.values, fake.values).value, rel=1e-10)
    assert result.fid_se == pytest.approx(paired_standard_error(fid_influence(real.values, fake.values)))
    splits_rng, bootstrap_rng = np.random.default_rng(3).spawn(2)
    design = SamplingDesign.paired(80, 2)
    (bootstrap,) = bootstrap_contrasts(
        [real.values, fake.values], np.ones((1, 1)), design, replicates=20, rng=bootstrap_rng
    )
    expected = fid_interval(real.values, fake.values, paired=True, rng=splits_rng)
    assert result.interval.interval == pytest.approx(expected.interval)
    assert result.fid_se_bootstrap == pytest.approx(bootstrap.se)
    assert (result.n_real, result.n_fake, result.warnings) == (80, 80, ())
    assert (result.real_stamp, result.fake_stamp) == (real.stamp, fake.stamp)


@pytest.mark.parametrize("paired", [True, False])
def test_with_a_reference_the_block_fid_stands_beside_it(paired):
    rng = np.random.default_rng(0)
    d = 48
    reference, real = (feature_set(rng.normal(size=(200, d))) for _ in range(2))
    fake = feature_set(0.2 + 1.2 * rng.normal(size=(200, d)), ids=None if paired else [f"g{k:03}" for k in range(200)])
    plain = evaluate_fid(real, fake, replicates=5, seed=3)
    result = evaluate_fid(real, fake, reference=reference, replicates=5, seed=3)
    assert (plain.block_fid, plain.reference_stamp) == (None, None)
    assert numbers(result) == numbers(plain)
    assert result.interval.interval == plain.interval.interval
    assert result.reference_stamp == reference.stamp

    axes = reference_axes(reference.values)
    assert result.block_fid.fid == pytest.approx(block_frechet_distance(real.values, fake.values, axes).value)
    design = SamplingDesign.paired(200, 2) if paired else SamplingDesign.independent([200, 200])
    blocks_rng = np.random.default_rng(3).spawn(3)[2]
    samples = half_samples([real.values, fake.values], design, axes=axes, rng=blocks_rng)
    expected = population_estimate(samples, (1,), design)
    assert result.block_fid.population.value == pytest.approx(expected.value, rel=1e-9)
    assert result.block_fid.population.error.value == pytest.approx(expected.error.value, rel=1e-9)
    low, high = result.block_fid.interval
    assert low < d * (0.2**2 + 0.2**2) < high  # the covariances are diagonal, so that the truth is that of the FID
    with pytest.raises(InputError, match="200 that are also in the real images"):
        evaluate_fid(real, fake, reference=real)


def test_the_order_of_the_images_does_not_matter():
    real, fake, _ = triplets()
    rng = np.random.default_rng(1)
    result = evaluate_fid(real, fake, replicates=5)
    shuffled = evaluate_fid(reordered(real, rng.permutation(80)), reordered(fake, rng.permutation(80)), replicates=5)
    assert numbers(shuffled) == pytest.approx(numbers(result), rel=1e-9)


@pytest.mark.parametrize("case", ["other ids", "fewer images", "repeated id"])
def test_sets_that_are_no_pairs_are_independent(case):
    real, fake, _ = triplets()
    if case == "other ids":
        fake = feature_set(fake.values, ids=[f"other_{k}" for k in range(80)])
    elif case == "fewer images":
        fake = feature_set(fake.values[:70])
    else:
        real = feature_set(real.values, ids=[real.ids[0], *real.ids[:-1]])
    result = evaluate_fid(real, fake, replicates=5)
    assert result.pairing == "independent"
    expected = independent_standard_error(fid_influence(real.values, fake.values))
    assert result.fid_se == pytest.approx(expected)
    assert any("take all images as independent" in text for text in result.warnings) == (case != "other ids")


def test_independent_sets_may_come_in_any_order_too():
    real, fake, _ = triplets()
    fake = feature_set(fake.values[:70])
    shuffled = reordered(fake, np.random.default_rng(2).permutation(70))
    results = [evaluate_fid(real, features, replicates=5) for features in (fake, shuffled)]
    assert numbers(results[1]) == pytest.approx(numbers(results[0]), rel=1e-9)


def test_without_replicates_there_is_no_bootstrap_error():
    real, fake, _ = triplets(20)
    seen = []

    @contextmanager
    def progress(description, unit):
        yield lambda done, total: seen.append((description, done, total))

    assert evaluate_fid(real, fake, replicates=0).fid_se_bootstrap is None
    evaluate_fid(real, fake, extrapolate=False, replicates=2, progress=progress)
    assert seen == [("bootstrap", 1, 2), ("bootstrap", 2, 2)]
    assert evaluate_fid(real, fake, extrapolate=False, replicates=0).interval is None


def test_clusters_widen_the_errors_of_images_that_are_alike():
    """Each image three times: as clusters of three, the standard error of the images once."""
    real, fake, _ = triplets(30)
    thrice = [
        feature_set(np.repeat(each.values, 3, axis=0), ids=[f"{k // 3:02d}_{k % 3}" for k in range(90)])
        for each in (real, fake)
    ]
    rule = parse_rule(r"^(\d+)_")
    alone = evaluate_fid(*thrice, replicates=0)
    clustered = evaluate_fid(*thrice, cluster_by=rule, replicates=200)
    assert clustered.clusters == 30
    # Cluster totals are three times as large as those of single images: sqrt(3), but for G/(G - 1).
    factor = np.sqrt(3 * (30 / 29) / (90 / 89))
    assert clustered.fid_se == pytest.approx(alone.fid_se * factor)
    assert clustered.fid_se_bootstrap == pytest.approx(clustered.fid_se, rel=0.3)


def test_fewer_images_than_features_are_pointed_out():
    real, fake, _ = triplets(n=5, d=6)
    warning, few = evaluate_fid(real, fake, replicates=0).warnings
    assert few.startswith("only 5 images")
    assert warning.startswith("FID@5 is at n = 5 images, fewer than its 6 features: it is biased upward")


def test_identical_sets_have_no_distance_and_no_error():
    real, *_ = triplets()
    result = evaluate_fid(real, real, replicates=0)
    assert result.fid == pytest.approx(0, abs=1e-12)
    assert result.fid_se == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("weights_sha256", "f" * 64, "network weights"),
        ("resize", "clean", "expected the resize mode of the real images, legacy-pytorch, found clean"),
        ("dtype", "bfloat16", "computing dtype"),
    ],
)
def test_features_made_differently_are_refused(field, value, message):
    real, fake, _ = triplets(20)
    with pytest.raises(InputError, match=message):
        evaluate_fid(real, feature_set(fake.values, **{field: value}))


def test_another_number_of_features_is_refused():
    real, fake, _ = triplets(20)
    with pytest.raises(InputError, match="number of features"):
        evaluate_fid(real, feature_set(fake.values[:, :5]))


def test_swapped_width_and_height_are_refused():
    real, fake, _ = triplets(20)
    with pytest.raises(InputError, match="width and height are swapped"):
        evaluate_fid(real, feature_set(fake.values, size=(32, 64)))


def test_other_sizes_are_pointed_out():
    real, fake, _ = triplets(20)
    warning, _ = evaluate_fid(real, feature_set(fake.values, size=(128, 64)), replicates=0).warnings
    assert "the generated images: 128 x 64 pixels where the real images have 64 x 32" in warning


def test_one_image_is_refused():
    real, fake, _ = triplets(20)
    with pytest.raises(InputError, match="one image has no covariance"):
        evaluate_fid(real, feature_set(fake.values[:1]))


def test_photos_and_samples_of_the_same_conditions_are_drawn_together():
    real, fake, _ = samples_of_conditions()
    result = evaluate_fid(real, fake, replicates=50)
    assert (result.pairing, result.clusters) == ("conditions", 40)
    assert result.samples == SampleCounts(conditions=40, fewest=3, most=3)
    influence = fid_influence(real.values, fake.values)
    design = SamplingDesign.by_condition(np.arange(40), np.repeat(np.arange(40), 3), 2)
    assert result.fid_se == pytest.approx(design.standard_error([influence.real, influence.fake]).value, rel=1e-9)
    assert result.fid_se_bootstrap == pytest.approx(result.fid_se, rel=0.4)
    assert ("generated", "40 conditions x 3 seeds, conditions are clusters") in fid_table(result, "a", "b").rows
    assert "of one condition are taken as drawn together" in fid_table(result, "a", "b").notes[0]


def test_one_sample_of_each_condition_and_its_photo_are_a_pair():
    real, fake, _ = triplets()
    plain = evaluate_fid(real, fake, replicates=5)
    for photos, samples in (
        (real, renamed(fake, lambda image: f"{image}@3")),
        (renamed(real, lambda image: f"{image}@3"), fake),
        (renamed(real, lambda image: f"{image}@1"), renamed(fake, lambda image: f"{image}@3")),
    ):
        result = evaluate_fid(photos, samples, replicates=5)
        assert result.pairing == "paired"
        assert numbers(result) == pytest.approx(numbers(plain), rel=1e-12)
        assert result.interval.interval == pytest.approx(plain.interval.interval, rel=1e-12)


def test_conditions_that_one_side_lacks_make_the_sets_independent_and_are_still_clusters():
    real, fake, _ = samples_of_conditions()
    result = evaluate_fid(reordered(real, np.arange(39)), fake, replicates=0, extrapolate=False)
    assert (result.pairing, result.clusters) == ("independent", 39)
    assert result.design.block_of(1).clusters == 40
